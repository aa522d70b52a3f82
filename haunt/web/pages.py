"""The front page, what is said of paths that are none, and which path is whose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.web import url

from haunt.errors import Refused
from haunt.web.api import RESOURCES
from haunt.web.health import Health, health
from haunt.web.metrics import Metrics, registry
from haunt.web.page import Page
from haunt.web.ready import Ready
from haunt.web.resource import handlers

if TYPE_CHECKING:
    from haunt.app import Haunt

TEMPLATES = Path(__file__).parent / "templates"


class FrontPage(Page):
    """Says what this is, where to connect and how it fares."""

    def get(self) -> None:
        # What a venue said may hold half a surrogate pair, which no page can.
        found = json.loads(json.dumps(health(self.haunt), ensure_ascii=False).encode(errors="replace"))
        symbol = next(iter(self.haunt.symbols)).name
        self.render("index.html", health=found, address=f"ws://{self.request.host}/ws", symbol=symbol)

    def get_template_path(self) -> str:
        return str(TEMPLATES)


class NotFound(Page):
    """Every other path."""

    def get(self) -> None:
        paths = ", ".join(("/", "/health", "/ready", "/metrics", *(resource.name for resource in RESOURCES)))
        raise Refused(404, "not_found", f"There are {paths} and, for WebSocket clients, /ws")


def page_handlers(haunt: Haunt) -> list[Any]:
    """The last of them takes every path that is left."""
    return [
        url(r"/", FrontPage, {"haunt": haunt}),
        url(r"/health", Health, {"haunt": haunt}),
        url(r"/ready", Ready, {"haunt": haunt}),
        url(r"/metrics", Metrics, {"haunt": haunt, "registry": registry(haunt)}),
        *handlers(haunt, RESOURCES),
        url(r".*", NotFound, {"haunt": haunt}),
    ]
