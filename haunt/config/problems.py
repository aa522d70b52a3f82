"""What pydantic finds wrong → sentences for the operator."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from itertools import islice
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, RootModel, ValidationError

from haunt.config.document import FLOAT, INTEGER, Data, Document, Key
from haunt.config.secrets import fill_in
from haunt.config.tree import printable

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)

WHOLE = "must be a whole number, not {value}"
NUMBER = "must be a number, not {value}"
BOOLEAN = "must be true or false, not {value}"
LIST = "must be a list such as [a, b], not {value}"
MAPPING = "must be 'name: value' lines, not {value}"
CHOICE = "must be {expected}, not {value}"
SENTENCES = {
    "missing": "must be set",
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_from_float": WHOLE,
    "int_parsing_size": WHOLE,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": NUMBER,
    "decimal_type": NUMBER,
    "decimal_parsing": NUMBER,
    "bool_type": BOOLEAN,
    "bool_parsing": BOOLEAN,
    "list_type": LIST,
    "tuple_type": LIST,
    "set_type": LIST,
    "frozen_set_type": LIST,
    "dict_type": MAPPING,
    "mapping_type": MAPPING,
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "dataclass_type": MAPPING,
    "greater_than": "must be more than {gt}, not {value}",
    "greater_than_equal": "must be at least {ge}, not {value}",
    "less_than": "must be less than {lt}, not {value}",
    "less_than_equal": "must be at most {le}, not {value}",
    "multiple_of": "must be a multiple of {multiple_of}, not {value}",
    "string_too_short": "must be at least {min_length} characters long",
    "string_too_long": "must be at most {max_length} characters long",
    "string_pattern_mismatch": "must look like {pattern}, not {value}",
    "too_short": "must hold at least {min_length}, not {actual_length}",
    "too_long": "must hold at most {max_length}",
    "path_not_file": "must be a file that exists, not {value}",
    "path_not_directory": "must be a folder that exists, not {value}",
    "literal_error": CHOICE,
    "enum": CHOICE,
}
ABSENT: Data = {"no": "value"}
MOST_COMPARED = 1_000  # one word against a thousand takes 2 ms
SAID = {"yes": "true", "on": "true", "no": "false", "off": "false"}
SECRET = {"token", "password", "secret", "api_key"}


def validate(model: type[Model], data: Data, document: Document, key: Key, *, also: Iterable[str] = ()) -> Model | None:
    """The data at `key` as the model, or None and every mistake of it reported.

    `also` are names known there that are not the model's. What a plugin's own validator raises by mistake
    (anything but ValueError and AssertionError) passes through.
    """
    data = fill_in(model, data, document, key)
    try:
        # YAML's core types are JSON's, and pydantic is strict and yet takes lists for tuples only with JSON.
        return model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        found: dict[Key, list[str]] = {}
        for detail in error.errors(include_url=False):
            here = _place(detail, data)
            found.setdefault(here, []).append(
                _sentence(detail, here, model, also, secret=key + here in document.secrets)
            )
        for here, sentences in found.items():
            document.report(key + here, _joined(list(dict.fromkeys(sentences))))
        return None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'port'?`, or nothing where no name is close."""
    close = get_close_matches(word.lower()[:64], list(islice(known, MOST_COMPARED)), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """`unknown option; did you mean 'port'?`, or the names there are."""
    known = list(known)
    guess = did_you_mean(word, known)
    if guess or not known:
        return f"unknown {what}{guess}"
    return f"unknown {what}; there are {', '.join(known[:30])}"


def shown(value: Data) -> str:
    """A value as its writer would know it again."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{printable(value)}'"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    return printable(repr(value))


def _place(detail: ErrorDetails, data: Data) -> Key:
    """Where in the data the mistake is: pydantic's own place also names branches of unions, which are not there."""
    key: list[str | int] = []
    for part in detail["loc"]:
        inner = _inside(data, part)
        if inner is not ABSENT:
            data = inner
        elif detail["type"] != "missing" or part != detail["loc"][-1]:
            continue
        key.append(part)
    return tuple(key)


def _inside(data: Data, part: str | int) -> Data:
    if isinstance(data, dict) and isinstance(part, str):
        return data.get(part, ABSENT)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return ABSENT


def _sentence(detail: ErrorDetails, key: Key, model: type[BaseModel], also: Iterable[str], *, secret: bool) -> str:
    kind, value = detail["type"], detail["input"]
    context = detail.get("ctx", {})
    secret = secret or (bool(key) and key[-1] in SECRET)
    text = "the value given" if secret else shown(value)
    if kind == "extra_forbidden":
        models = _models_at(model, key[:-1])
        known = dict.fromkeys(name for one in models for name in one.model_fields)
        return unknown("option", str(key[-1]), [*known, *(also if len(key) == 1 else ())])
    if kind == "string_type":
        if secret:
            return "must be text; write it in quotes"
        quote = "" if value is None or isinstance(value, list | dict) else f"; write it in quotes: '{text}'"
        return f"must be text, not {text}{quote}"
    if kind in ("value_error", "assertion_error") and str(context.get("error", "")):
        rule, semicolon, advice = str(context["error"]).partition(";")
        says_value = secret or not rule.startswith("must be ") or ", not " in rule or isinstance(value, list | dict)
        return rule + ("" if says_value else f", not {text}") + semicolon + advice
    if kind in SENTENCES:
        guess = did_you_mean(value, _choices(context)) if isinstance(value, str) and not secret else ""
        return SENTENCES[kind].format_map({**_numbers(context), "value": text}) + (guess or _cure(kind, value))
    description = _description(model, key)
    return f"cannot be {text}" + (f"; it is described as: {description}" if description else "")


def _cure(kind: str, value: object) -> str:
    """What to do about a text where something else must be, if that can be told."""
    rule = SENTENCES[kind]
    if not isinstance(value, str):
        return ""
    if "${" in value:
        return "; nothing is filled in here: set a variable such as HAUNT_SERVER__PORT in the environment"
    whole = INTEGER.fullmatch(value)
    if (rule in (WHOLE, NUMBER) and whole) or (rule == NUMBER and FLOAT.fullmatch(value) and isfinite(float(value))):
        return "; write it without quotes"
    if rule == NUMBER and re.fullmatch(r"[0-9]+,[0-9]+", value):
        return f"; write it with a point: {value.replace(',', '.')}"
    if rule == BOOLEAN and value.lower() in SAID:
        return f"; write {SAID[value.lower()]}"
    if rule == MAPPING and ":" in value:
        return "; put a space after the ':'"
    return ""


def _joined(sentences: list[str]) -> str:
    """One sentence of several about the same value: `must be a number or 'max', not 'fast'`."""
    rules = [sentence.partition(", not ") for sentence in sentences]
    if len({end for _, _, end in rules}) == 1 and all(rule.startswith("must be ") for rule, _, _ in rules):
        return "must be " + " or ".join(rule.removeprefix("must be ") for rule, _, _ in rules) + "".join(rules[0][1:])
    return "; or ".join(sentences)


def _numbers(context: Mapping[str, Any]) -> dict[str, object]:
    """Bounds as they are read best: `at most 100`, not `at most 100.0`."""
    whole = {name: int(value) for name, value in context.items() if isinstance(value, float) and value.is_integer()}
    return {**context, **whole}


def _choices(context: Mapping[str, Any]) -> list[str]:
    return str(context.get("expected", "")).split("'")[1::2]


def _models_at(model: type[BaseModel], key: Key) -> list[type[BaseModel]]:
    """The models whose options may stand at `key`: several where a union allows several."""
    models = _models_in(model)
    for part in key:
        if isinstance(part, str):
            fields = [one.model_fields[part] for one in models if part in one.model_fields]
            models = [inner for field in fields for inner in _models_in(field.annotation)] or models
    return models


def _models_in(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, RootModel):
        return _models_in(annotation.model_fields["root"].annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _description(model: type[BaseModel], key: Key) -> str:
    names = [part for part in key if isinstance(part, str)]
    for one in _models_at(model, tuple(names[:-1])):
        if names and names[-1] in one.model_fields:
            return one.model_fields[names[-1]].description or ""
    return ""
