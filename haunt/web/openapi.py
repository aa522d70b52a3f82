"""The OpenAPI document: what may be asked under /api, made of the table of resources."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from haunt.web.answers import Error
from haunt.web.resource import Parameter, Resource
from haunt.web.schema import schemas

IN_COMPONENTS = "#/components/schemas/{model}"
SECURITY = {
    "token": {"type": "http", "scheme": "bearer", "description": "server.token, where the operator set one"},
    "token_in_query": {"type": "apiKey", "in": "query", "name": "token", "description": "The same, in the address"},
    "admin_token": {"type": "http", "scheme": "bearer", "description": "server.admin_token, for the operator alone"},
}


def document(resources: Sequence[Resource]) -> dict[str, Any]:
    """Takes some 20 ms."""
    answers, common = schemas({one.name: one.model for one in resources} | {"error": Error}, IN_COMPONENTS)
    paths: dict[str, dict[str, Any]] = {}
    for one in resources:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, answers[one.name], answers["error"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Haunt",
            "version": version("haunt"),
            "summary": "The crypto market: composite prices, merged order books, candles and signals.",
            "description": "Prices are in US dollars, times are milliseconds UTC since 1970.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": common, "securitySchemes": SECURITY},
    }


def _operation(one: Resource, answer: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    refused = {"description": "Why it is refused.", "content": {"application/json": {"schema": error}}}
    return {
        "operationId": one.answer.__name__,
        "summary": one.summary,
        "parameters": [_parameter(asked, in_path=asked.name in one.in_path) for asked in one.parameters],
        "security": [{"admin_token": []}] if one.admin else [{}, {"token": []}, {"token_in_query": []}],
        "responses": {
            "200": {"description": one.summary, "content": {"application/json": {"schema": answer}}},
            "4XX": refused,
            "5XX": refused,
        },
    }


def _parameter(one: Parameter, *, in_path: bool) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": "path" if in_path else "query",
        "required": in_path,
        "description": one.description,
        "schema": dict(one.schema),
    }
