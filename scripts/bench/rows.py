"""The table: what is measured, against whom, the goals, and what limits each figure."""

from __future__ import annotations

from dataclasses import dataclass, field

from measure import Job


@dataclass(frozen=True)
class Contestant:
    """A server in one row, under a name of its own where the row has the same server twice."""

    name: str
    server: str
    job: Job


@dataclass(frozen=True)
class Goal:
    """`metric` of `who` compared with a number, or with that many times the same metric of `of`.

    Where several are named, the worst of `who` is compared with the best of `of`.
    """

    words: str
    metric: str
    at_least: float | None = None
    at_most: float | None = None
    who: tuple[str, ...] = ("haunt",)
    of: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A metric in the row's table: its title, and how a number is written."""

    title: str
    metric: str
    written: str = "{:,.0f}"


@dataclass(frozen=True)
class Row:
    """One comparison. `stretch` is how many times the usual seconds it takes."""

    name: str
    title: str
    contestants: tuple[Contestant, ...]
    columns: tuple[Column, ...]
    goals: tuple[Goal, ...]
    limits: str
    stretch: float = 1
    ratios: bool = field(default=True)
    """Whether the table says how many times each contestant's first column Haunt has."""
    kind: str = "server"
    """What the contestants are."""


def _each(job: Job, *servers: str) -> tuple[Contestant, ...]:
    return tuple(Contestant(server, server, job) for server in servers)


DELIVERIES = Column("deliveries/s", "deliveries")
COST = Column("server µs each", "cost_us", "{:.2f}")
P50 = Column("p50 ms", "p50_ms", "{:.1f}")
P99 = Column("p99 ms", "p99_ms", "{:.1f}")
THROUGHPUT = (DELIVERIES, COST)
LATENCY = (P50, P99, DELIVERIES)


def _deliveries(words: str, of: str, at_least: float) -> Goal:
    return Goal(words, "deliveries", at_least=at_least, of=(of,))


ROWS = (
    Row(
        "one",
        "1,000 clients, one update per turn",
        _each(Job(), "haunt", "c", "bun", "socketify", "picows", "node", "aiohttp", "websockets", "tornado"),
        THROUGHPUT,
        (
            _deliveries("≥ 0.95 of the C send loop", "c", 0.95),
            _deliveries("≥ 1.0 of Bun", "bun", 1.0),
            _deliveries("≥ 4 times plain Tornado", "tornado", 4.0),
        ),
        "Each delivery is a send of 130 bytes; the kernel's way through loopback TCP is most of its cost. The C loop "
        "makes a system call for each and does little else; Haunt makes one for 64, by io_uring. Plain Tornado pays "
        "for a future, a buffer and a frame header per client.",
    ),
    Row(
        "sixteen",
        "1,000 clients, 16 updates per turn",
        _each(Job(symbols=16, symbols_each=16, batch=16), "haunt", "c", "bun", "socketify", "picows", "tornado"),
        THROUGHPUT,
        (
            _deliveries("≥ 0.9 of the C send loop", "c", 0.9),
            _deliveries("≥ 1.1 of Bun", "bun", 1.1),
        ),
        "All clients want the same, so 16 frames are joined once and leave in one send. The updates' own way "
        "through the market (feed, composite price, candles, JSON) is charged to Haunt and to nobody else.",
    ),
    Row(
        "sixty-four",
        "1,000 clients, 64 updates per turn",
        _each(Job(symbols=64, symbols_each=64, batch=64), "haunt", "c", "bun", "socketify"),
        THROUGHPUT,
        (
            _deliveries("≥ 0.9 of the C send loop", "c", 0.9),
            _deliveries("≥ 2.0 of Bun", "bun", 2.0),
        ),
        "As above, with 8 KB to a send: copying them into the kernel begins to count.",
    ),
    Row(
        "random-subsets",
        "1,000 clients with random subsets: 5 of 20 symbols each, 16 updates per turn",
        _each(Job(symbols=20, symbols_each=5, batch=16, sets="rand"), "haunt", "c", "bun", "socketify"),
        THROUGHPUT,
        (_deliveries("≥ 1.0 of Bun", "bun", 1.0),),
        "Hardly two clients want the same, so nothing is shared but the frames: each client's are joined for it "
        "alone, about four to a send. A client's cohort and parcel are objects of their own, and after the sends "
        "before they are in none of the processor's caches.",
    ),
    Row(
        "ten-thousand-one",
        "10,000 clients, one update per turn",
        _each(Job(clients=10_000), "haunt", "c", "bun"),
        THROUGHPUT,
        (_deliveries("≥ 1.0 of Bun", "bun", 1.0),),
        "Ten thousand sockets do not fit the processor's caches: the same send costs more.",
    ),
    Row(
        "ten-thousand-sixteen",
        "10,000 clients, 16 updates per turn",
        _each(Job(clients=10_000, symbols=16, symbols_each=16, batch=16), "haunt", "c", "bun"),
        THROUGHPUT,
        (_deliveries("≥ 1.0 of Bun", "bun", 1.0),),
        "The same with 2 KB to a send.",
    ),
    Row(
        "latency-200",
        "200 updates a second to 1,000 clients",
        _each(Job(rate=200, sample=17, lazy_us=0), "haunt", "bun"),
        LATENCY,
        (
            Goal("p50 ≤ Bun's", "p50_ms", at_most=1.0, of=("bun",)),
            Goal("p99 ≤ Bun's", "p99_ms", at_most=1.0, of=("bun",)),
        ),
        "200,000 deliveries a second are more than one send each allows on this machine: the latency is how well "
        "a server joins what came while it was writing.",
        ratios=False,
    ),
    Row(
        "latency-20",
        "20 updates a second to 1,000 clients",
        _each(Job(rate=20, sample=7, lazy_us=0), "haunt", "c", "bun"),
        LATENCY,
        (Goal("p50 ≤ 1.2 of the C send loop's", "p50_ms", at_most=1.2, of=("c",)),),
        "A tenth of the load: the median client waits for the 500 sends before its own.",
        ratios=False,
    ),
    Row(
        "idle-memory",
        "Memory of 10,000 idle connections with ten subscriptions each",
        _each(Job(clients=10_000, rate=-1, seconds=0.2, warm=1.0), "haunt", "bun", "tornado"),
        (Column("KiB each", "kib_per_client", "{:.1f}"), Column("s to connect all", "connect_seconds", "{:.1f}")),
        (Goal("≤ 4 KiB per connection", "kib_per_client", at_most=4.0),),
        "Resident memory of the server's process; what the kernel keeps for a socket is the same for all. Clients with "
        "the same subscriptions share them. Counts too what came with the handshakes and was not given back.",
        ratios=False,
        stretch=0,
    ),
    Row(
        "never-read",
        "100 of 1,000 clients never read",
        (
            Contestant("haunt", "haunt", Job(rate=500, batch=10, sample=17, lazy_us=0, never_read=0.1, ends=True)),
            Contestant("without them", "haunt", Job(clients=900, rate=500, batch=10, sample=17, lazy_us=0, ends=True)),
        ),
        (
            P50,
            P99,
            Column("all gone after s", "gone_seconds", "{:.1f}"),
            Column("MiB more for each slow client", "growth_per_deaf_mib", "{:.2f}"),
            Column("last price not the newest", "not_newest"),
        ),
        (
            Goal("p99 of the others ≤ 1.2 of theirs without them", "p99_ms", at_most=1.2, of=("without them",)),
            Goal("memory grows < 1.5 MiB for each of them", "growth_per_deaf_mib", at_most=1.5),
            Goal("all of them gone within 30 s", "gone_seconds", at_most=30.0),
            Goal("everyone else has the newest price of each symbol", "not_newest", at_most=0.0),
        ),
        "Ten updates come at once, 50 times a second. The kernel's buffers of a client that does not read take the "
        "first of them; then states are only marked as owed to it, which costs nothing, and after "
        "`limits.slow_timeout` without a byte taken it is closed.",
        stretch=20,
        ratios=False,
    ),
    Row(
        "overload",
        "1,000 clients, ten times more updates than can be delivered",
        _each(Job(rate=15_000, lazy_us=0, ends=True), "haunt"),
        (
            Column("offered ÷ delivered", "offered", "{:.1f}"),
            Column("one flush ms", "flush_ms", "{:.1f}"),
            P99,
            Column("MiB grown in its second half", "late_growth_mib", "{:.1f}"),
            Column("last price not the newest", "not_newest"),
        ),
        (
            Goal("ten times more is offered than delivered", "offered", at_least=10.0),
            Goal("p99 ≤ 1.5 flushes", "p99_flushes", at_most=1.5),
            Goal("memory is flat: ≤ 1 MiB more in the second half than in the first", "late_growth_mib", at_most=1.0),
            Goal("everyone has the newest price of each symbol at the end", "not_newest", at_most=0.0),
        ),
        "A state that changes again before it was sent is sent once. So what is offered does not matter: each "
        "flush sends the newest of each symbol, and a client waits for about one flush.",
        stretch=5,
        ratios=False,
    ),
    Row(
        "flat-cost",
        "Cost of a delivery from 100 to 10,000 clients",
        (
            Contestant("100 clients", "haunt", Job(clients=100)),
            Contestant("1,000 clients", "haunt", Job()),
            Contestant("10,000 clients", "haunt", Job(clients=10_000)),
            Contestant("C, 100 clients", "c", Job(clients=100)),
            Contestant("C, 10,000 clients", "c", Job(clients=10_000)),
        ),
        THROUGHPUT,
        (
            Goal(
                "the dearest ≤ 1.5 of the cheapest",
                "cost_us",
                at_most=1.5,
                who=("100 clients", "1,000 clients", "10,000 clients"),
                of=("100 clients", "1,000 clients", "10,000 clients"),
            ),
            Goal(
                "10,000 clients: ≤ 1.15 of the C send loop's",
                "cost_us",
                at_most=1.15,
                who=("10,000 clients",),
                of=("C, 10,000 clients",),
            ),
        ),
        "The cost of a delivery is that of a send, and that grows with the number of sockets, whose buffers no "
        "longer fit the processor's caches: the C loop, which keeps nothing but a socket for each client, grows as "
        "well. So what Haunt adds is to be read from the comparison with the C loop at the same number.",
        ratios=False,
    ),
)
