"""The JSON Schema of a configuration, for editors: every section, and the options of every installed plugin."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import CoreSchema
from pydantic_core.core_schema import DictSchema

from haunt.config.model import FIXED, INSTANCE_NAME, SYMBOL_NAME, InstanceOptions, SymbolOptions
from haunt.plugin.registry import Registry, options_class

Schema: TypeAlias = dict[str, Any]
Kind = Literal["source", "indicator"]

DIALECT = "http://json-schema.org/draft-07/schema#"  # the newest that editors' YAML extensions know whole
NULL: Schema = {"type": "null"}
ANYTHING: Schema = {"type": ["object", "null"]}
NAMES_PLUGIN: Schema = {"type": "object", "required": ["plugin"], "properties": {"plugin": {"type": "string"}}}
REFERENCE: Schema = {
    "type": "object",
    "minProperties": 1,
    "maxProperties": 1,
    "additionalProperties": False,
    "properties": {name: {"type": "string", "minLength": 1} for name in ("env", "file")},
}
NOT_ENABLED: Schema = {"type": "object", "required": ["enabled"], "properties": {"enabled": {"const": False}}}


class Untitled(GenerateJsonSchema):
    """Without titles that only repeat the names."""

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:
        return False

    def dict_schema(self, schema: DictSchema) -> Schema:
        """With names of the shape that is asked for, and no others."""
        described = super().dict_schema(schema)
        return {**described, "additionalProperties": False} if "patternProperties" in described else described

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> Schema:
        described = super().generate(schema, mode)
        for part in (described, *described.get("$defs", {}).values()):
            part.pop("title", None)
        _refer_to_secrets(described)
        return described


def _refer_to_secrets(part: Any) -> None:
    """A secret is written as a reference."""
    inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    if isinstance(part, dict) and part.get("format") == "password" and part.get("writeOnly"):
        for keyword in ("type", "format", "writeOnly", "minLength", "maxLength"):
            part.pop(keyword, None)
        part.update(REFERENCE)
        return
    for one in inner:
        _refer_to_secrets(one)


def schema(registry: Registry) -> Schema:
    """What `load` demands of a file, as far as a schema can say it. Imports every installed plugin."""
    definitions: dict[str, Schema] = {}
    sections: dict[str, Schema] = {}
    for name, model in FIXED.items():
        sections[name] = {"description": model.__doc__, "anyOf": [_defined(name, model, definitions), NULL]}
    sections["symbols"] = _symbols(_defined("symbol", SymbolOptions, definitions))
    sections["sources"] = _instances("source", registry, definitions) | {"minProperties": 1}
    sections["indicators"] = _instances("indicator", registry, definitions)
    return {
        "$schema": DIALECT,
        "title": "Haunt's configuration",
        "type": "object",
        "required": ["symbols", "sources"],
        "additionalProperties": False,
        "properties": sections,
        "definitions": definitions,
    }


def _defined(
    name: str, model: type[BaseModel], definitions: dict[str, Schema], *, also: Schema | None = None
) -> Schema:
    """A reference to the model, now among the definitions. `also` are options known there that are not the model's."""
    described = model.model_json_schema(ref_template=f"#/definitions/{name}.{{model}}", schema_generator=Untitled)
    for inner, part in described.pop("$defs", {}).items():
        definitions[f"{name}.{inner}"] = part
    described["properties"] = {**(also or {}), **described.get("properties", {})}
    definitions[name] = described
    return {"$ref": f"#/definitions/{name}"}


def _symbols(options: Schema) -> Schema:
    name: Schema = {"type": "string", "pattern": f"^{SYMBOL_NAME}$"}
    return {
        "description": "The assets to track, by the lower-case code clients use: a list, or names with options.",
        "anyOf": [
            {"type": "array", "minItems": 1, "uniqueItems": True, "items": name},
            {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": name["pattern"]},
                "additionalProperties": {"anyOf": [options, NULL]},
            },
        ],
    }


def _instances(kind: Kind, registry: Registry, definitions: dict[str, Schema]) -> Schema:
    """A name under the section is that of a plugin, or says by `plugin` which one it uses."""
    plugins = {name: _plugin(kind, name, registry, definitions) for name in registry.installed_names()}
    usable = {name: options for name, options in plugins.items() if options is not None}
    definitions[kind] = {"if": NOT_ENABLED, "then": _chosen(usable, ()), "else": _chosen(usable, usable)}
    by_plugin: Schema = {"$ref": f"#/definitions/{kind}"}
    return {
        "type": ["object", "null"] if kind == "indicator" else "object",
        "propertyNames": {"pattern": f"^{INSTANCE_NAME}$"},
        "properties": {
            name: {"if": NAMES_PLUGIN, "then": by_plugin, "else": options} for name, options in usable.items()
        },
        "additionalProperties": {
            "if": NOT_ENABLED, "then": by_plugin, "else": {"allOf": [NAMES_PLUGIN, by_plugin]}
        },
    }  # fmt: skip


def _chosen(plugins: Mapping[str, Schema], known: Iterable[str]) -> Schema:
    """The options of the plugin that `plugin` names, which must be one of those known, if any are."""
    return {
        "properties": {"plugin": {"enum": [*known, None]}} if known else {},
        "allOf": [
            {"if": {"required": ["plugin"], "properties": {"plugin": {"const": name}}}, "then": options}
            for name, options in plugins.items()
        ],
    }


def _plugin(kind: Kind, name: str, registry: Registry, definitions: dict[str, Schema]) -> Schema | None:
    """What may stand under an instance of this plugin. None where it is of the other kind.

    A plugin that is broken is left out when Haunt runs, whatever its options.
    """
    record = registry.load(name)
    if record.state != "loaded":
        return ANYTHING
    cls = record.source if kind == "source" else record.indicator
    if cls is None:
        return None
    own = InstanceOptions.model_json_schema(schema_generator=Untitled)["properties"]
    try:
        options = _defined(f"{kind}.{name}", options_class(cls), definitions, also=own)
    except PydanticInvalidForJsonSchema:
        return ANYTHING
    return options if definitions[f"{kind}.{name}"].get("required") else {"anyOf": [options, NULL]}
