"""The dashboard: the files that a browser shows at `/`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tornado.web import StaticFileHandler

from haunt.errors import Refused
from haunt.web.page import Page

if TYPE_CHECKING:
    from haunt.app import Haunt

STATIC = Path(__file__).parent / "static"
# A page of ours runs its own files, speaks to its own server and sends nothing anywhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Dashboard(Page):
    """The page itself, which is never kept: it names the files of this version."""

    def get(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.finish((STATIC / "index.html").read_bytes())


class DashboardFile(StaticFileHandler, Page):
    """Its scripts and styles. A browser may keep them, and asks each time whether they are still the same."""

    def initialize(self, haunt: Haunt) -> None:  # type: ignore[override]
        Page.initialize(self, haunt)
        StaticFileHandler.initialize(self, path=str(STATIC))

    def head(self, *path: str) -> Any:
        return StaticFileHandler.head(self, *path)

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Cache-Control", "no-cache")

    def validate_absolute_path(self, root: str, absolute_path: str) -> str:
        inside = Path(absolute_path).is_relative_to(root)
        if not inside or not Path(absolute_path).is_file():
            raise Refused(404, "not_found", "The dashboard has no such file; it begins at /")
        return absolute_path

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        Page.write_error(self, status_code, **kwargs)
