"""The front page and /health."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import ujson
from tornado.web import RequestHandler, url

if TYPE_CHECKING:
    from haunt.app import Haunt

TEMPLATES = Path(__file__).parent / "templates"


class FrontPage(RequestHandler):
    """Says what this is and where to connect."""

    def initialize(self, haunt: Haunt) -> None:
        self.haunt = haunt

    def get(self) -> None:
        self.render("index.html", health=self.haunt.health(), address=self.haunt.address, haunt=self.haunt)

    def get_template_path(self) -> str:
        return str(TEMPLATES)


class Health(RequestHandler):
    """Whether the process lives, and what each source is doing."""

    def initialize(self, haunt: Haunt) -> None:
        self.haunt = haunt

    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(ujson.dumps(self.haunt.health(), escape_forward_slashes=False))


def page_handlers(haunt: Haunt) -> list[Any]:
    return [url(r"/", FrontPage, {"haunt": haunt}), url(r"/health", Health, {"haunt": haunt})]
