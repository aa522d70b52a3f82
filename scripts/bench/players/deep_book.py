"""LEVELS: what an order book with so many levels a side takes, and what a change at its top costs."""

from __future__ import annotations

import json
import sys
import time
import tracemalloc

from haunt import Book

CHANGES = 20_000


def main() -> None:
    levels = int(sys.argv[1])
    sides = [[[f"{60_000 + sign * place / 100:.2f}", f"{place % 97 / 10 + 0.1:.8f}"] for place in range(1, levels + 1)]
             for sign in (-1, +1)]  # fmt: skip
    message = json.dumps(sides)
    del sides
    tracemalloc.start()
    book = Book()
    book.replace(*json.loads(message))
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A new best bid comes and goes.
    changes = [([["60000.00", quantity]], ()) for quantity in ("1.50000000", "0.00000000")] * (CHANGES // 2)
    began = time.process_time()
    for bids, asks in changes:
        book.update(bids, asks)
    cost = (time.process_time() - began) / CHANGES
    sys.stdout.write(json.dumps({"bytes": size, "cost_us": round(cost * 1e6, 2)}) + "\n")


main()
