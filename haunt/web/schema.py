"""JSON Schema of the types that Haunt answers with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema


class Exact(GenerateJsonSchema):
    """Objects have the fields of their type and no other."""

    def typed_dict_schema(self, schema: core_schema.TypedDictSchema) -> dict[str, Any]:
        return {**super().typed_dict_schema(schema), "additionalProperties": False}

    def field_title_should_be_set(self, schema: Any) -> bool:
        """The titles would say the names again."""
        return False


def schemas(types: Mapping[str, Any], template: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema of each type by its name, and of what they have in common, whose places are made by the template:
    `#/components/schemas/{model}`."""
    adapters: list[tuple[str, Literal["serialization"], TypeAdapter[Any]]] = [
        (name, "serialization", TypeAdapter(kind)) for name, kind in types.items()
    ]
    by_name, common = TypeAdapter.json_schemas(adapters, ref_template=template, schema_generator=Exact)
    return {name: by_name[name, "serialization"] for name in types}, common.get("$defs", {})
