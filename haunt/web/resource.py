"""What a resource of /api is: its path, what may be asked of it, what answers it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from inspect import getdoc, isawaitable
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from tornado.web import url

from haunt.errors import Refused
from haunt.stream.admission import Admission, Refusal
from haunt.stream.protocol import shortened
from haunt.web.page import Page

if TYPE_CHECKING:
    from haunt.app import Haunt

IN_PATH = re.compile(r"{(\w+)}")
TOKEN = "token"


class Parameter(NamedTuple):
    """What may be asked, in the path or the query. `read` makes a value of the text or raises Refused; without the
    text it is `default`. `schema` is of the text, as JSON Schema."""

    name: str
    description: str
    read: Callable[[Haunt, str], Any]
    schema: Mapping[str, Any]
    default: Any = None


class Resource(NamedTuple):
    """`answer` is called with the server and the parameters by their names, and returns a `model`, at once or when it
    is awaited. `admin`: for the operator alone."""

    path: str
    answer: Callable[..., Any]
    model: Any
    parameters: Sequence[Parameter] = ()
    method: Literal["GET", "POST"] = "GET"
    admin: bool = False

    @property
    def name(self) -> str:
        """As the operator writes it: `/api/prices/SYMBOL`."""
        path = IN_PATH.sub(lambda found: found[1].upper(), self.path)
        return path if self.method == "GET" else f"{self.method} {path}"

    @property
    def summary(self) -> str:
        return (getdoc(self.answer) or "").partition("\n\n")[0].replace("\n", " ")

    @property
    def in_path(self) -> list[str]:
        return IN_PATH.findall(self.path)


class ResourcePage(Page):
    """A resource over HTTP."""

    guarded = True

    def initialize(self, haunt: Haunt, resource: Resource) -> None:  # type: ignore[override]
        self.haunt = haunt
        self.resource = resource
        self.methods = ("GET", "HEAD", "OPTIONS") if resource.method == "GET" else (resource.method, "OPTIONS")

    def prepare(self) -> None:
        super().prepare()
        if self.request.method not in self.methods:
            self.send_error(405)

    def refusal(self, door: Admission) -> Refusal | None:
        return door.admin_refusal(self.request.headers) if self.resource.admin else super().refusal(door)

    async def get(self, *path: str) -> None:
        given = self.given(path)
        data = self.resource.answer(self.haunt, **given)
        self.answer(200, await data if isawaitable(data) else data)

    post = get

    def given(self, path: Sequence[str]) -> dict[str, Any]:
        """The values of all parameters. Raises Refused for what nobody can ask."""
        texts = dict(zip(self.resource.in_path, path, strict=True))
        known = [one.name for one in self.resource.parameters if one.name not in texts]
        unknown = [shortened(name) for name in self.request.query_arguments if name not in (*known, TOKEN)]
        if unknown:
            takes = ", ".join(known) or "none"
            raise Refused(400, "bad_request", f"Unknown parameter {', '.join(unknown[:3])}; it takes {takes}")
        for name in known:
            values = self.get_query_arguments(name)
            if len(values) > 1:
                raise Refused(400, "bad_request", f"{name} is given {len(values)} times; give it once")
            if values:
                texts[name] = values[0]
        return {
            one.name: one.read(self.haunt, texts[one.name]) if one.name in texts else one.default
            for one in self.resource.parameters
        }


def handlers(haunt: Haunt, resources: Sequence[Resource]) -> list[Any]:
    """Tornado's, one for each path."""
    return [url(IN_PATH.sub("([^/]+)", one.path), ResourcePage, {"haunt": haunt, "resource": one}) for one in resources]


# -- what several resources are asked


def find_symbol(haunt: Haunt, text: str) -> str:
    symbol = haunt.symbols.find(text)
    if symbol is None:
        raise Refused(404, "invalid_symbol", f"Symbol '{shortened(text)}' not found")
    return symbol


def whole_number(name: str, least: int, most: int) -> Callable[[Haunt, str], int]:
    def read(haunt: Haunt, text: str) -> int:
        # int() would take other scripts' digits and underscores.
        if not re.fullmatch(r"[0-9]{1,16}", text) or not least <= int(text) <= most:
            raise Refused(400, "bad_request", f"{name} must be a whole number from {least} to {most}")
        return int(text)

    return read


def one_of(name: str, words: Mapping[str, Any]) -> Callable[[Haunt, str], Any]:
    def read(haunt: Haunt, text: str) -> Any:
        if text not in words:
            raise Refused(400, "bad_request", f"{name} must be {' or '.join(words)}")
        return words[text]

    return read
