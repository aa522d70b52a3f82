"""What the players share: the frames of a recording, and what is told of playing them."""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple


class Line(NamedTuple):
    """What a venue said: `kind` is ws or rest."""

    kind: str
    url: str
    text: str


def received(path: str) -> list[Line]:
    """What was received, in order. Binance's trades are called aggregate trades: cryptofeed reads no others."""
    with gzip.open(path, "rt") as file:
        lines = [json.loads(text) for text in file]
    return [Line(one["kind"], one["url_or_channel"], _renamed(one["raw"])) for one in lines if "dir" not in one]


def _renamed(text: str) -> str:
    return text.replace('"e":"trade"', '"e":"aggTrade"', 1).replace('"t":', '"a":', 1) if "@trade" in text else text


def processor_time(play: Callable[[], object]) -> float:
    """Seconds of this process in `play`."""
    began = time.process_time()
    play()
    return time.process_time() - began


def tell(messages: int, seconds: Iterable[float], events: int, tops: dict[str, list[list[tuple[str, str]]]]) -> None:
    """`tops`: at the end, the best ten bids and asks of each market."""
    told = {"messages": messages, "seconds": list(seconds), "events": events, "tops": tops}
    sys.stdout.write(json.dumps(told, default=str) + "\n")
