"""VENUE RECORDING ROUNDS: Haunt's way from a frame to the composite price, each changed book's top ten read."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from recorded import Line, processor_time, received, tell

from haunt import BookDelta, BookSnapshot, Event, Instrument, Level, Relay, StreamSource
from haunt.market.feed import Feed
from haunt.market.market import Market
from haunt.market.signals import Signals
from haunt.market.symbols import Symbol, Symbols
from haunt.plugin.registry import Registry, options_class

DEPTH = 10


class Round:
    """A market that hears of a venue for the first time."""

    def __init__(self, adapter: type[StreamSource], venue_symbols: Sequence[str]) -> None:
        symbols = [Symbol(name.lower()) for name in venue_symbols]
        signals = Signals([], [symbol.name for symbol in symbols], lambda signal: None)
        self.market = Market(Symbols(symbols), signals, lambda changed: None, first_price_wait=0.0)
        self.relay = Relay(adapter.name, wanted=(), deliver=self._deliver, checksum=adapter.checksum)
        for name in venue_symbols:
            self.relay.add(Instrument(name, name, "USD"), name.lower())
        self.source = adapter(options_class(adapter)(), self.relay)
        self.tops: dict[str, tuple[list[Level], list[Level]]] = {}

    def _deliver(self, feed: Feed, event: Event) -> None:
        self.market.apply(feed, event)
        kind = type(event)
        if kind is BookDelta or kind is BookSnapshot:
            self.tops[feed.venue_symbol] = feed.book.bids.top(DEPTH), feed.book.asks.top(DEPTH)

    def play(self, lines: Sequence[Line]) -> None:
        relay, source = self.relay, self.source
        numbering = relay.open()
        for kind, url, text in lines:
            if kind == "ws":
                relay.receive(text, source.parse, numbering)
            elif "/depth?" in url:
                for event in source.parse_response(url, text):
                    relay.publish(event)


def main() -> None:
    venue, path, rounds = sys.argv[1:]
    adapter, lines = Registry().source(venue), received(path)
    assert issubclass(adapter, StreamSource)
    parse = Round(adapter, ()).source.parse
    frames = [text for kind, _, text in lines if kind == "ws"]
    venue_symbols = sorted({getattr(event, "venue_symbol", "") for text in frames for event in parse(text)} - {""})
    seconds = []
    for _ in range(int(rounds) + 1):
        played = Round(adapter, venue_symbols)
        seconds.append(processor_time(lambda played=played: played.play(lines)))
    tops = {name: [[(level[0], level[1]) for level in side] for side in top] for name, top in played.tops.items()}
    tell(len(frames), seconds[1:], played.relay.events - played.relay.rejected, tops)


main()
