"""What every answer over plain HTTP has in common."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler

from haunt.errors import Refused
from haunt.stream.admission import Admission, Refusal

if TYPE_CHECKING:
    from haunt.app import Haunt

logger = logging.getLogger(__name__)

PREFLIGHT_SECONDS = 600  # a browser need not ask again for so long


class Page(RequestHandler):
    """Read by whoever asks this server by one of its own names; it says nothing worth keeping or framing.

    What is `guarded` is for those alone who may connect to the WebSocket, and web pages among them may read it.
    """

    guarded = False
    methods: Sequence[str] = ("GET", "HEAD", "OPTIONS")

    def initialize(self, haunt: Haunt) -> None:
        self.haunt = haunt

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        self.set_header("Cache-Control", "no-store")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header(
            "Content-Security-Policy",
            "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
        )

    def prepare(self) -> None:
        refusal = self.refusal(self.door())
        if refusal is not None:
            raise Refused(refusal.status, refusal.code, refusal.message)

    def door(self) -> Admission:
        server = self.haunt.config.server
        return Admission(
            host=server.host,
            token=server.revealed("token"),
            admin_token=server.revealed("admin_token"),
            allowed_origins=server.allowed_origins,
            allowed_hosts=server.allowed_hosts,
        )

    def refusal(self, door: Admission) -> Refusal | None:
        """Why this request is not answered, or None. A browser asks for the OPTIONS without a token."""
        headers = self.request.headers
        if not self.guarded:
            return door.host_refusal(headers)
        if self.request.method == "OPTIONS":
            return door.host_refusal(headers) or door.origin_refusal(headers)
        return door.refusal(headers, token=self.get_query_argument("token", None), total=0, of_peer=0)

    def head(self, *path: str) -> Any:
        return self.get(*path)

    def options(self, *path: str) -> None:
        """What a browser asks before it lets a page of another server send a token."""
        self.let_pages_read()
        self.set_status(HTTPStatus.NO_CONTENT)
        self.set_header("Allow", ", ".join(self.methods))
        if "Access-Control-Allow-Origin" in self._headers:
            self.set_header("Access-Control-Allow-Methods", ", ".join(self.methods))
            self.set_header("Access-Control-Allow-Headers", "Authorization")
            self.set_header("Access-Control-Max-Age", PREFLIGHT_SECONDS)
        self.finish()

    def let_pages_read(self) -> None:
        """A page that may connect to the WebSocket may also read what is guarded."""
        if not self.guarded:
            return
        self.set_header("Vary", "Origin")
        headers = self.request.headers
        if "Origin" in headers and self.door().origin_refusal(headers) is None:
            self.set_header("Access-Control-Allow-Origin", headers["Origin"])

    def answer(self, status: int, data: Any) -> None:
        """Finish with this as JSON."""
        self.let_pages_read()
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(data) + "\n")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if isinstance(error, Refused):
            self.refuse(error)
            return
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.methods))
        status = HTTPStatus(status_code)
        message = status.description or status.phrase
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            reference = secrets.token_hex(4)
            logger.error(
                "%s of %r failed (reference %s)", self.request.method, self.request.path, reference, exc_info=error
            )
            message = f"Internal error, reference {reference}; tell the operator"
        self.answer(status, {"error": status.name.lower(), "message": message})

    def log_exception(self, typ: Any, value: BaseException | None, tb: TracebackType | None) -> None:
        """Tornado would log the whole address, and the token in it."""

    def refuse(self, refused: Refused) -> None:
        if refused.status == HTTPStatus.UNAUTHORIZED:
            self.set_header("WWW-Authenticate", "Bearer")
        self.answer(refused.status, {"error": refused.code, "message": refused.message, **refused.more})
