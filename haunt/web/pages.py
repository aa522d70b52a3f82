"""The front page, what is said of paths that are none, and which path is whose."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.web import url

from haunt.web.api import Explain, Gaps
from haunt.web.health import Health, health
from haunt.web.page import Page

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
        paths = "/, /health, /api/explain/SYMBOL, /api/gaps and, for WebSocket clients, /ws"
        self.answer(404, {"error": "not_found", "message": f"There are {paths}"})


def page_handlers(haunt: Haunt) -> list[Any]:
    """The last of them takes every path that is left."""
    return [
        url(path, page, {"haunt": haunt})
        for path, page in (
            (r"/", FrontPage),
            (r"/health", Health),
            (r"/api/explain/([^/]+)", Explain),
            (r"/api/gaps", Gaps),
            (r".*", NotFound),
        )
    ]
