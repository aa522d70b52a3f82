"""What is said of paths that are none, and which path is whose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tornado.web import url

from haunt.errors import Refused
from haunt.web.api import RESOURCES
from haunt.web.dashboard import Dashboard, DashboardFile
from haunt.web.health import Health
from haunt.web.metrics import Metrics, registry
from haunt.web.page import Page
from haunt.web.ready import Ready
from haunt.web.resource import handlers

if TYPE_CHECKING:
    from haunt.app import Haunt


class NotFound(Page):
    """Every other path."""

    def get(self) -> None:
        paths = ", ".join(("/", "/health", "/ready", "/metrics", *(resource.name for resource in RESOURCES)))
        raise Refused(404, "not_found", f"There are {paths} and, for WebSocket clients, /ws")


def page_handlers(haunt: Haunt) -> list[Any]:
    """The last of them takes every path that is left."""
    return [
        url(r"/", Dashboard, {"haunt": haunt}),
        url(r"/static/(.+)", DashboardFile, {"haunt": haunt}),
        url(r"/health", Health, {"haunt": haunt}),
        url(r"/ready", Ready, {"haunt": haunt}),
        url(r"/metrics", Metrics, {"haunt": haunt, "registry": registry(haunt)}),
        *handlers(haunt, RESOURCES),
        url(r".*", NotFound, {"haunt": haunt}),
    ]
