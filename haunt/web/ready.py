"""Whether clients can be served now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haunt.errors import Refused
from haunt.web.page import Page

if TYPE_CHECKING:
    from haunt.app import Haunt


class Ready(Page):
    """Status 200 while whoever is sent here is told prices, 503 with the reasons otherwise."""

    def get(self) -> None:
        reasons = obstacles(self.haunt)
        if reasons:
            raise Refused(503, "not_ready", "; ".join(reasons), reasons=reasons)
        self.answer(200, {"status": "ready"})


def obstacles(haunt: Haunt) -> list[str]:
    """Why no client should be sent here now; none while Haunt can serve."""
    if haunt.clients.leaving:
        return ["Haunt is stopping"]
    reasons = []
    if not haunt.started:
        reasons.append("Haunt is starting: the history is not recalled, and no source runs yet")
    if not haunt.market.symbols_tracked:
        reasons.append("No symbol has a live price; /health says how the sources fare")
    return reasons
