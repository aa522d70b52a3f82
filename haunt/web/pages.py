"""The front page, /health, /api, and what is said of everything else."""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.web import RequestHandler, url

from haunt.stream.admission import Admission
from haunt.stream.protocol import shortened

if TYPE_CHECKING:
    from haunt.app import Haunt

TEMPLATES = Path(__file__).parent / "templates"
OPEN = {None: None, "true": True, "false": False}


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


class FrontPage(Page):
    """Says what this is, where to connect and how it fares."""

    def get(self) -> None:
        # What a venue said may hold half a surrogate pair, which no page can.
        health = json.loads(json.dumps(self.haunt.health(), ensure_ascii=False).encode(errors="replace"))
        symbol = next(iter(self.haunt.symbols)).name
        self.render("index.html", health=health, address=f"ws://{self.request.host}/ws", symbol=symbol)

    def get_template_path(self) -> str:
        return str(TEMPLATES)


class Health(Page):
    """Whether the process lives, and what each source is doing."""

    def get(self) -> None:
        self.answer(200, self.haunt.health())


class Explain(Page):
    """How the price of a symbol came about."""

    guarded = True

    def get(self, text: str) -> None:
        symbol = self.haunt.symbols.find(text)
        if symbol is None:
            self.answer(404, {"error": "invalid_symbol", "message": f"Symbol '{shortened(text)}' not found"})
        else:
            self.answer(200, self.haunt.explain(symbol))


class Gaps(Page):
    """When which market could not be trusted."""

    guarded = True

    def get(self) -> None:
        text, source, is_open = (self.get_query_argument(name, None) for name in ("symbol", "source", "open"))
        symbol = None if text is None else self.haunt.symbols.find(text)
        if text is not None and symbol is None:
            self.answer(404, {"error": "invalid_symbol", "message": f"Symbol '{shortened(text)}' not found"})
        elif source is not None and source not in self.haunt.relays:
            self.answer(404, {"error": "invalid_source", "message": f"Source '{shortened(source)}' not found"})
        elif is_open not in OPEN:
            self.answer(400, {"error": "bad_request", "message": "open must be true or false"})
        else:
            found = self.haunt.gaps.find(symbol=symbol, source=source, is_open=OPEN[is_open])
            self.answer(200, {"gaps": [gap._asdict() for gap in found]})


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
