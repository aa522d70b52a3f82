"""The AsyncAPI document: what is said over the WebSocket, made of the shapes of the messages."""

from __future__ import annotations

from importlib.metadata import version
from inspect import getdoc
from typing import Any

from haunt.stream import messages
from haunt.web.schema import schemas

SAID_BY_CLIENTS = (messages.SubscribeRequest, messages.UnsubscribeRequest, messages.PingRequest)
SAID_TO_ALL = (messages.ServerStatus, messages.Pong, messages.Error, messages.Acknowledgement)
SAID_PLAINLY = (messages.PriceUpdate, messages.OrderbookUpdate, messages.SignalUpdate, *SAID_TO_ALL)
SAID_EXTENDED = (
    messages.ExtendedPriceUpdate,
    messages.ExtendedOrderbookUpdate,
    messages.ExtendedSignalUpdate,
    *SAID_TO_ALL,
)
CHANNELS = {"plain": SAID_PLAINLY, "extended": SAID_EXTENDED}
ALL = tuple(dict.fromkeys((*SAID_BY_CLIENTS, *SAID_PLAINLY, *SAID_EXTENDED)))
IN_COMPONENTS = "#/components/schemas/{model}"
TOKEN = {"type": "string", "description": "server.token, where the operator set one and no header can be sent."}


def document() -> dict[str, Any]:
    """Takes some 20 ms."""
    _, common = schemas({kind.__name__: kind for kind in ALL}, IN_COMPONENTS)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Haunt",
            "version": version("haunt"),
            "description": (
                "The crypto market over one WebSocket: composite prices, merged order books and signals. "
                "Prices are in US dollars, times are milliseconds UTC since 1970. "
                "A client ignores types it does not know."
            ),
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {"local": {"host": "localhost:3000", "protocol": "ws"}},
        "channels": {name: _channel(name, said) for name, said in CHANNELS.items()},
        "operations": {
            f"{action}_{name}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{kind.__name__}"} for kind in kinds],
            }
            for name, said in CHANNELS.items()
            for action, kinds in (("receive", SAID_BY_CLIENTS), ("send", said))
        },
        "components": {
            "messages": {kind.__name__: _message(kind) for kind in ALL},
            "schemas": common,
        },
    }


def schema_files() -> dict[str, dict[str, Any]]:
    """A JSON Schema of each message that needs no other file, by the message's name."""
    return {kind.__name__: _alone(kind) for kind in ALL}


def _channel(name: str, said: tuple[Any, ...]) -> dict[str, Any]:
    query: dict[str, Any] = {"token": TOKEN}
    if name == "extended":
        query["ext"] = {"type": "string", "const": "1"}
    return {
        "address": "/ws",
        "messages": {
            kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in (*SAID_BY_CLIENTS, *said)
        },
        "bindings": {
            "ws": {"query": {"type": "object", "properties": query, "required": [one for one in query if one == "ext"]}}
        },
    }


def _message(kind: type) -> dict[str, Any]:
    return {
        "name": kind.__name__,
        "summary": (getdoc(kind) or "").replace("\n", " "),
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }


def _alone(kind: type) -> dict[str, Any]:
    name = kind.__name__
    _, common = schemas({name: kind}, "#/$defs/{model}")
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **common.pop(name)}
    return schema | ({"$defs": common} if common else {})
