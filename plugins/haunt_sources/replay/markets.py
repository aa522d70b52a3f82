"""Which markets a recording holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from urllib.parse import urlsplit

from haunt import Event, FrameNumber, Instrument, Player, Recording, Relay, SourceLost, StreamSource, make_player, paced

# Enough for a minute or two of a busy venue.
SURVEYED_LINES = 5_000


async def survey(recording: Recording, adapter: type[StreamSource], relay: Relay) -> tuple[list[str], list[Instrument]]:
    """The venue symbols that appear in the first SURVEYED_LINES lines, and the instruments of the recorded list
    of them, if there is one the adapter can read."""
    seen: dict[str, None] = {}
    responses: dict[str, str] = {}

    def note(event: Event) -> None:
        if not isinstance(event, FrameNumber):
            seen[event.venue_symbol] = None

    player = make_player(adapter, relay, note)
    player.responses = responses
    async for line in paced(islice(recording, SURVEYED_LINES), None):
        if line.direction != "receive" or not player.serves(line.url):
            continue
        if line.kind == "rest" and isinstance(line.frame, str):
            responses[urlsplit(line.url).path] = line.frame
        elif line.kind == "ws":
            with suppress(SourceLost, ValueError, KeyError, TypeError, IndexError):
                list(player.read(line))
    return list(seen), await _listed(player)


def choose(
    seen: Iterable[str],
    listed: Iterable[Instrument],
    *,
    assets: Mapping[str, str],
    quotes: Sequence[str],
) -> dict[str, Instrument]:
    """The market to play for each wanted symbol: of those seen the one in the first of `quotes`.

    `assets` names the symbol of each asset code. What is not in the list is told by its letters: `BTC-USD`,
    `BTC/USD` and `btcusd` are all BTC in USD.
    """
    known = {_letters(f"{asset}{quote}"): (asset, quote) for asset in assets for quote in quotes}
    known_listed = {one.venue_symbol: (one.base.upper(), one.quote.upper()) for one in listed}
    chosen: dict[str, Instrument] = {}
    for venue_symbol in seen:
        base, quote = known_listed.get(venue_symbol) or known.get(_letters(venue_symbol)) or ("", "")
        if base not in assets or quote not in quotes:
            continue
        before = chosen.get(assets[base])
        if before is None or quotes.index(quote) < quotes.index(before.quote):
            chosen[assets[base]] = Instrument(venue_symbol, base, quote)
    return chosen


async def _listed(player: Player) -> list[Instrument]:
    """From the recorded answers to the requests the adapter makes for its list; empty where one is missing."""
    try:
        return list(await player.instruments())
    except (SourceLost, ValueError, KeyError, TypeError, IndexError, AttributeError, NotImplementedError):
        return []


def _letters(venue_symbol: str) -> str:
    return "".join(filter(str.isalnum, venue_symbol)).upper()
