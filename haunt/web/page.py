"""What every answer over plain HTTP has in common."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler

from haunt.stream.admission import Admission

if TYPE_CHECKING:
    from haunt.app import Haunt


class Page(RequestHandler):
    """Read by whoever asks this server by one of its own names; it says nothing worth keeping or framing.

    What is `guarded` is for those alone who may connect to the WebSocket.
    """

    guarded = False

    def initialize(self, haunt: Haunt) -> None:
        self.haunt = haunt

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
        )

    def prepare(self) -> None:
        server = self.haunt.config.server
        door = Admission(
            host=server.host,
            token=server.token,
            allowed_origins=server.allowed_origins,
            allowed_hosts=server.allowed_hosts,
        )
        headers, token = self.request.headers, self.get_query_argument("token", None)
        refusal = door.refusal(headers, token=token, total=0, of_peer=0) if self.guarded else door.host_refusal(headers)
        if refusal is not None:
            self.answer(refusal.status, {"error": refusal.code, "message": refusal.message})

    def head(self, *path: str) -> None:
        self.get(*path)

    def answer(self, status: int, data: Any) -> None:
        """Finish with this as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(data) + "\n")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        status = HTTPStatus(status_code)
        self.answer(status, {"error": status.name.lower(), "message": status.description or status.phrase})
