"""The resources under /api: what the market and its sources are doing, for any program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haunt.stream.protocol import shortened
from haunt.web.page import Page

if TYPE_CHECKING:
    from haunt.app import Haunt

OPEN = {None: None, "true": True, "false": False}


class Explain(Page):
    """How the price of a symbol came about."""

    guarded = True

    def get(self, text: str) -> None:
        symbol = self.haunt.symbols.find(text)
        if symbol is None:
            self.answer(404, {"error": "invalid_symbol", "message": f"Symbol '{shortened(text)}' not found"})
        else:
            self.answer(200, explain(self.haunt, symbol))


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


def explain(haunt: Haunt, symbol: str) -> dict[str, Any]:
    """How the price of a symbol came about, as JSON data."""
    explanation = haunt.market.explain(symbol)
    return {
        **explanation._asdict(),
        "markets": [say._asdict() for say in explanation.markets],
        "left_out": [crossing._asdict() for crossing in explanation.left_out],
    }
