"""Signals: changes only, of closed candles only, and no indicator disturbs another."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from fractions import Fraction

import pytest

from haunt import Candle, Clock, Combination, Indicator, IndicatorOptions, Reading
from haunt.market.candles import MOST_FILLED
from haunt.market.published import Signal
from haunt.market.signals import MOST_FAILURES, Instance, Signals
from haunt.testing import FakeClock

MINUTE = 60_000
START = 1_700_006_400_000  # a whole day
ONE_MINUTE = IndicatorOptions(timeframe="1m")


class Level(Indicator):
    """Buy below 90, sell above 110. Its first candle is its warm-up."""

    name = "level"

    def __init__(self, options: IndicatorOptions) -> None:
        super().__init__(options)
        self._seen = 0

    def update(self, candle: Candle) -> Reading | None:
        self._seen += 1
        if self._seen == 1:
            return None
        signal = "buy" if candle.close < 90 else "sell" if candle.close > 110 else "neutral"
        return Reading(candle.close, signal, 0.5, {"seen": self._seen, "volume": candle.volume})


class Answers(Indicator):
    """Whatever the test wants; made with `answering`."""

    name = "answers"
    answer: Callable[[Candle], object]

    def update(self, candle: Candle) -> Reading | None:
        return type(self).answer(candle)


def answering(answer: Callable[[Candle], object], name: str = "answers") -> Instance:
    return (name, type("Mine", (Answers,), {"answer": staticmethod(answer)}), ONE_MINUTE)


def failing(candle: Candle) -> Reading:
    raise ZeroDivisionError("division by zero")


def signals(
    *indicators: Instance, symbols: tuple[str, ...] = ("btc",), clock: Clock | None = None
) -> tuple[Signals, list[Signal]]:
    sent: list[Signal] = []
    return Signals(indicators or [("level", Level, ONE_MINUTE)], symbols, sent.append, clock=clock or FakeClock()), sent


def play(engine: Signals, closes: list[float], *, symbol: str = "btc", start: int = START) -> None:
    """One price in each minute, then the tick that closes the last one."""
    for position, close in enumerate(closes):
        engine.price(symbol, close, start + position * MINUTE)
    engine.tick(start + len(closes) * MINUTE)


# -- the rule of states


def test_a_change_is_published_with_the_moment_its_candle_closed():
    engine, sent = signals()
    play(engine, [100.0, 120.0])
    assert sent == [Signal("btc", "level", "1m", "sell", 120.0, 0.5, START + 2 * MINUTE, {"seen": 2.0, "volume": 0.0})]


def test_a_state_that_lasts_is_said_once():
    engine, sent = signals()
    play(engine, [100.0, 120.0, 121.0, 122.0])
    assert [signal.value for signal in sent] == [120.0]


def test_neutral_ends_a_state():
    engine, sent = signals()
    play(engine, [100.0, 120.0, 100.0, 100.0, 80.0])
    assert [signal.signal for signal in sent] == ["sell", "neutral", "buy"]


def test_a_state_may_turn_into_its_opposite():
    engine, sent = signals()
    play(engine, [100.0, 120.0, 80.0])
    assert [signal.signal for signal in sent] == ["sell", "buy"]


def test_a_symbol_begins_neutral_without_saying_so():
    engine, sent = signals()
    play(engine, [100.0, 100.0, 100.0])
    assert sent == []


def test_warm_up_is_silent():
    engine, sent = signals()
    play(engine, [120.0])
    assert sent == []


def test_a_running_candle_says_nothing():
    engine, sent = signals()
    engine.price("btc", 100.0, START)
    engine.price("btc", 120.0, START + MINUTE)
    engine.tick(START + 2 * MINUTE - 1)
    assert sent == []


def test_a_tick_closes_candles_though_no_price_comes():
    engine, sent = signals()
    engine.price("btc", 120.0, START)
    for quarter in range(4 * 125):
        engine.tick(START + quarter * 250)
    assert [signal.timestamp for signal in sent] == [START + 2 * MINUTE]


def test_trades_are_the_volume_of_the_candle():
    engine, sent = signals()
    play(engine, [100.0])
    engine.price("btc", 120.0, START + MINUTE)
    engine.trade("btc", 1.5, START + MINUTE + 1)
    engine.trade("btc", 2.0, START + MINUTE + 2)
    engine.trade("btc", 4.0, START + 2 * MINUTE)
    assert [signal.values["volume"] for signal in sent] == [3.5]


# -- a slice of time in each turn of the event loop


class SlowClock(FakeClock):
    """Every look at it takes five milliseconds, so that each symbol takes a turn of the loop."""

    def monotonic(self) -> float:
        self.advance(0.005)
        return super().monotonic()


def at_a_minute_s_end() -> tuple[Signals, list[Signal]]:
    """Three symbols that will sell when their second minute closes."""
    engine, sent = signals(symbols=("btc", "eth", "sol"), clock=SlowClock())
    for minute in range(2):
        for symbol in ("btc", "eth", "sol"):
            engine.price(symbol, 120.0, START + minute * MINUTE)
    return engine, sent


def said(sent: list[Signal]) -> list[tuple[str, float]]:
    return [(signal.symbol, signal.value) for signal in sent]


@pytest.mark.gen_test
async def test_a_minute_of_many_symbols_closes_over_turns_of_the_loop():
    engine, sent = at_a_minute_s_end()
    engine.tick(START + 2 * MINUTE)
    counts = [len(sent)]
    for _ in range(4):
        await asyncio.sleep(0)
        counts.append(len(sent))
    assert counts == [1, 2, 3, 3, 3]


@pytest.mark.gen_test
async def test_what_comes_before_a_symbol_s_turn_counts_in_the_candle_of_its_time():
    engine, sent = at_a_minute_s_end()
    engine.tick(START + 2 * MINUTE)
    engine.trade("sol", 7.0, START + 2 * MINUTE + 1)
    engine.price("sol", 80.0, START + 2 * MINUTE + 1)
    assert said(sent) == [("btc", 120.0), ("sol", 120.0)]
    engine.tick(START + 2 * MINUTE + 250)
    engine.finish()
    assert said(sent) == [("btc", 120.0), ("sol", 120.0), ("eth", 120.0)]
    engine.tick(START + 3 * MINUTE)
    engine.finish()
    assert [(signal.symbol, signal.signal, signal.values["volume"]) for signal in sent[3:]] == [("sol", "buy", 7.0)]


@pytest.mark.gen_test
async def test_a_minute_saved_before_it_is_closed_everywhere_is_closed_by_who_goes_on():
    engine, sent = at_a_minute_s_end()
    engine.tick(START + 2 * MINUTE)
    other, again = signals(symbols=("btc", "eth", "sol"))
    for symbol in ("btc", "eth", "sol"):
        other.restore(symbol, engine.save(symbol))
    other.tick(START + 2 * MINUTE + 250)
    engine.finish()
    assert sent[1:] == again != []


@pytest.mark.gen_test
async def test_a_minute_that_cannot_be_published_is_gone_on_with_at_the_next_tick():
    engine, sent = at_a_minute_s_end()
    engine._publish = failing
    with pytest.raises(ZeroDivisionError):
        engine.tick(START + 2 * MINUTE)
    engine._publish = sent.append
    engine.tick(START + 2 * MINUTE + 250)
    engine.finish()
    assert said(sent) == [("eth", 120.0), ("sol", 120.0)]


# -- symbols, timeframes and instances


def test_two_symbols_share_no_state():
    engine, sent = signals(symbols=("btc", "eth"))
    for minute, (btc, eth) in enumerate([(120.0, 100.0), (120.0, 100.0), (120.0, 80.0)]):
        engine.price("btc", btc, START + minute * MINUTE)
        engine.price("eth", eth, START + minute * MINUTE)
    engine.tick(START + 3 * MINUTE)
    assert [(signal.symbol, signal.signal, signal.timestamp) for signal in sent] == [
        ("btc", "sell", START + 2 * MINUTE),
        ("eth", "buy", START + 3 * MINUTE),
    ]


def test_each_instance_reads_the_candles_of_its_own_timeframe():
    engine, sent = signals(("level", Level, ONE_MINUTE), ("level_5m", Level, IndicatorOptions(timeframe="5m")))
    play(engine, [120.0] * 10)
    assert [(signal.indicator, signal.timeframe, signal.timestamp) for signal in sent] == [
        ("level", "1m", START + 2 * MINUTE),
        ("level_5m", "5m", START + 10 * MINUTE),
    ]


def test_a_symbol_nobody_named_is_passed_over():
    engine, sent = signals()
    play(engine, [100.0, 120.0], symbol="doge")
    engine.trade("doge", 1.0, START)
    assert sent == []
    assert engine.last("doge") == []


def test_without_indicators_prices_pass_through():
    engine = Signals([], ["btc"], lambda signal: pytest.fail("nothing can be said"))
    play(engine, [100.0, 120.0])
    engine.trade("btc", 1.0, START)


def test_last_is_the_newest_signal_of_each_instance():
    engine, sent = signals(("one", Level, ONE_MINUTE), ("other", Level, ONE_MINUTE), symbols=("btc", "eth"))
    play(engine, [100.0, 120.0, 80.0])
    assert [signal.indicator for signal in sent] == ["one", "other", "one", "other"]
    assert engine.last("btc") == sent[2:]
    assert engine.last("eth") == []


def test_numbers_are_rounded_to_what_can_be_meant():
    reading = Reading(2 / 3, "buy", 2 / 3, {"a": 1e-10 / 3, "b": Fraction(2, 3)})
    engine, sent = signals(answering(lambda candle: reading))
    play(engine, [100.0])
    assert sent[0].value == 0.6666666667
    assert sent[0].confidence == 0.6667
    assert sent[0].values == {"a": 3.333333333e-11, "b": 0.6666666667}


# -- the clock


def test_a_clock_set_back_repeats_no_signal():
    engine, sent = signals()
    play(engine, [100.0, 120.0, 100.0])
    before = list(sent)
    play(engine, [120.0, 100.0, 120.0])
    assert sent == before
    play(engine, [120.0], start=START + 4 * MINUTE)
    assert [signal.timestamp for signal in sent] == sorted({signal.timestamp for signal in sent})


def test_a_symbol_that_begins_after_the_clock_was_set_back_is_closed_on_time():
    engine, sent = signals(symbols=("btc", "eth"))
    play(engine, [100.0] * 60)
    engine.price("eth", 120.0, START)
    for quarter in range(4 * 125):
        engine.tick(START + quarter * 250)
    assert [(signal.symbol, signal.timestamp) for signal in sent] == [("eth", START + 2 * MINUTE)]


def test_after_a_hole_the_indicators_start_anew():
    engine, sent = signals()
    play(engine, [100.0, 100.0])
    late = START + 5 * MOST_FILLED * MINUTE
    engine.tick(late)
    play(engine, [120.0, 121.0], start=late)
    assert [(signal.timestamp - late, signal.values["seen"]) for signal in sent] == [(2 * MINUTE, 2.0)]


# -- indicators over other indicators


class Votes(Combination):
    """How many of the others say what."""

    name = "votes"

    def combine(self, readings: Mapping[str, Reading]) -> Reading | None:
        return Reading(float(len(readings)), "buy" if readings else "neutral", 0.5, {**dict.fromkeys(readings, 1.0)})


def test_a_combination_hears_what_the_others_said_of_the_same_candle_though_it_is_named_first():
    engine, sent = signals(("votes", Votes, ONE_MINUTE), ("more", Votes, ONE_MINUTE), ("level", Level, ONE_MINUTE))
    play(engine, [100.0, 120.0])
    assert [(signal.indicator, signal.values.keys()) for signal in sent] == [
        ("level", {"seen", "volume"}),
        ("votes", {"level"}),
        ("more", {"level"}),
    ]
    assert {signal.timestamp for signal in sent} == {START + 2 * MINUTE}


def test_a_combination_hears_of_its_own_timeframe_and_not_of_who_failed():
    five = IndicatorOptions(timeframe="5m")
    engine, sent = signals(
        ("votes", Votes, ONE_MINUTE), ("level", Level, ONE_MINUTE), ("slow", Level, five), answering(failing)
    )
    play(engine, [100.0, 100.0])
    assert [(signal.indicator, signal.values) for signal in sent] == [("votes", {"level": 1.0})]


def test_a_peek_at_a_combination_is_of_peeks_at_the_others():
    engine, _ = signals(("votes", Votes, ONE_MINUTE), ("level", Level, ONE_MINUTE))
    play(engine, [100.0])
    engine.price("btc", 120.0, START + MINUTE)
    assert engine.peek("btc")["votes"] == Reading(1.0, "buy", 0.5, {"level": 1.0})


# -- the running candle, and restarts


def test_a_restart_within_a_candle_keeps_what_was_seen_of_it():
    engine, sent = signals()
    play(engine, [100.0])
    engine.price("btc", 120.0, START + MINUTE)
    engine.trade("btc", 1.5, START + MINUTE + 1)
    other, again = signals()
    other.restore("btc", json.loads(json.dumps(engine.save("btc"))))
    for one in (engine, other):
        one.trade("btc", 2.0, START + MINUTE + 2)
        one.tick(START + 2 * MINUTE)
    assert again == sent
    assert [signal.values["volume"] for signal in again] == [3.5]


def test_a_peek_says_what_closing_the_running_candle_would_say():
    engine, sent = signals(("level", Level, ONE_MINUTE), answering(failing))
    play(engine, [100.0])
    assert engine.peek("eth") == {}
    engine.price("btc", 120.0, START + MINUTE)
    peeked = engine.peek("btc")
    assert sent == []
    engine.tick(START + 2 * MINUTE)
    assert peeked == {"level": Reading(120.0, "sell", 0.5, {"seen": 2, "volume": 0.0})}
    assert [signal.value for signal in sent] == [120.0]


def test_who_is_new_since_the_save_begins_and_who_is_gone_is_forgotten():
    engine, _ = signals(("old", Level, ONE_MINUTE), ("kept", Level, ONE_MINUTE))
    play(engine, [100.0, 120.0])
    other, sent = signals(("kept", Level, ONE_MINUTE), ("new", Level, ONE_MINUTE))
    other.restore("btc", engine.save("btc"))
    other.restore("eth", engine.save("btc"))
    play(other, [120.0, 120.0, 100.0], start=START + 2 * MINUTE)
    assert [(signal.indicator, signal.signal) for signal in sent] == [
        ("new", "sell"),
        ("kept", "neutral"),
        ("new", "neutral"),
    ]


class Strict(Level):
    """The next version of Level."""

    version = 2


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            lambda data: data["1m"]["indicators"]["level"].update(state={"indicator": "x"}),
            "Indicator level starts anew for btc",
        ),
        (lambda data: data["1m"].update(series={}), "Candles of btc in 1m start anew"),
        (lambda data: data["1m"].pop("next_start"), "Candles of btc in 1m start anew"),
        (lambda data: data.update({"1m": 5}), "Candles of btc in 1m start anew"),
    ],
)
def test_what_does_not_fit_starts_anew_and_says_so(damage, complaint, caplog):
    engine, _ = signals()
    play(engine, [100.0, 120.0])
    data = json.loads(json.dumps(engine.save("btc")))
    damage(data)
    other, sent = signals()
    other.restore("btc", data)
    play(other, [100.0, 80.0], start=START + 2 * MINUTE)
    assert [signal.signal for signal in sent] == ["buy"]
    assert complaint in caplog.text


def test_another_version_of_an_indicator_keeps_its_last_signal_and_warms_up_again(caplog):
    engine, _ = signals()
    play(engine, [100.0, 120.0])
    other, sent = signals(("level", Strict, ONE_MINUTE))
    other.restore("btc", engine.save("btc"))
    assert [signal.signal for signal in other.last("btc")] == ["sell"]
    play(other, [100.0, 100.0], start=START + 2 * MINUTE)
    assert [(signal.signal, signal.timestamp) for signal in sent] == [("neutral", START + 4 * MINUTE)]
    assert "version was 1, now it is 2" in caplog.text


def test_an_indicator_that_cannot_be_saved_is_named_once_and_disturbs_no_other(caplog):
    class Unsaved(Level):
        def __init__(self, options: IndicatorOptions) -> None:
            super().__init__(options)
            self._closes = {1.0}

    engine, _ = signals(("unsaved", Unsaved, ONE_MINUTE), ("level", Level, ONE_MINUTE))
    play(engine, [100.0, 120.0])
    states = [engine.save("btc")["1m"]["indicators"] for _ in range(3)][-1]
    assert (states["unsaved"]["state"], states["level"]["state"]["state"]) == (None, {"_seen": 2})
    assert [record.getMessage() for record in caplog.records] == [
        "Indicator unsaved cannot be saved, it will start anew: a set cannot be part of an indicator's state"
    ]


# -- indicators that fail

RUBBISH = {
    "value must be a finite number": [
        Reading(float("nan"), "buy", 0.5),
        Reading(float("inf"), "buy", 0.5),
        Reading(1.797693134862315e308, "buy", 0.5),
        Reading("28.5", "buy", 0.5),
        Reading(None, "buy", 0.5),
    ],
    "confidence must be": [
        Reading(1.0, "buy", 1.01),
        Reading(1.0, "buy", -0.01),
        Reading(1.0, "buy", float("nan")),
        Reading(1.0, "buy", None),
    ],
    "signal must be one of buy, sell, neutral": [
        Reading(1.0, "strong_buy", 0.5),
        Reading(1.0, None, 0.5),
        Reading(1.0, ["buy"], 0.5),
    ],
    "update() must return a Reading or None": ["buy", 1.0, (1.0, "buy", 0.5, {}), {}, True],
    "rsi must be a finite number": [Reading(1.0, "buy", 0.5, {"rsi": float("nan")})],
    "values must be named in text": [Reading(1.0, "buy", 0.5, {1: 1.0})],
    "AttributeError": [Reading(1.0, "buy", 0.5, None)],
}


@pytest.mark.parametrize(
    ("complaint", "rubbish"), [(complaint, one) for complaint, several in RUBBISH.items() for one in several]
)
def test_rubbish_is_skipped_logged_and_disturbs_no_other_indicator(complaint, rubbish, caplog):
    engine, sent = signals(answering(lambda candle: rubbish), ("level", Level, ONE_MINUTE))
    play(engine, [100.0, 120.0])
    assert [signal.indicator for signal in sent] == ["level"]
    assert f"Indicator answers skipped a candle of btc: {complaint}" in caplog.text


def test_an_indicator_that_raises_is_logged_with_its_trace(caplog):
    engine, sent = signals(answering(failing), ("level", Level, ONE_MINUTE))
    play(engine, [100.0, 120.0])
    assert [signal.indicator for signal in sent] == ["level"]
    assert "skipped a candle of btc: ZeroDivisionError: division by zero" in caplog.text
    assert "Traceback" in caplog.text


def test_an_error_that_cannot_say_what_it_is_does_no_harm():
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    def mute(candle: Candle) -> Reading:
        raise MuteError

    engine, _ = signals(answering(mute))
    play(engine, [100.0] * MOST_FAILURES)
    assert "MuteError" in engine.stopped["answers"]


def test_a_skipped_candle_leaves_the_state_as_it_was():
    answers = iter([Reading(1.0, "buy", 0.5), Reading(1.0, "buy", 7.0), Reading(1.0, "buy", 0.5)])
    engine, sent = signals(answering(lambda candle: next(answers)))
    play(engine, [100.0, 101.0, 102.0])
    assert [signal.timestamp for signal in sent] == [START + MINUTE]


def test_ten_failures_in_a_row_stop_the_indicator_and_say_why(caplog):
    calls = []

    def count_and_fail(candle: Candle) -> Reading:
        calls.append(candle)
        raise ZeroDivisionError("division by zero")

    engine, sent = signals(answering(count_and_fail), ("level", Level, ONE_MINUTE))
    play(engine, [100.0] * 9)
    assert engine.stopped == {}
    play(engine, [100.0] * 9 + [120.0], start=START + 9 * MINUTE)
    assert len(calls) == MOST_FAILURES
    assert engine.stopped == {"answers": "10 failures in a row, the last on btc: ZeroDivisionError: division by zero"}
    assert "Indicator answers is stopped after 10 failures in a row" in caplog.text
    assert [signal.indicator for signal in sent] == ["level"]


def test_failures_are_counted_over_all_symbols():
    symbols = tuple(f"coin{number}" for number in range(MOST_FAILURES))
    engine, _ = signals(answering(failing), symbols=symbols)
    for symbol in symbols:
        engine.price(symbol, 100.0, START)
    engine.tick(START + MINUTE)
    assert list(engine.stopped) == ["answers"]


def test_a_success_starts_the_count_anew():
    answers = iter(([None] + [Reading(1.0, "buy", 7.0)] * 9) * 3)
    engine, _ = signals(answering(lambda candle: next(answers)))
    play(engine, [100.0] * 30)
    assert engine.stopped == {}


def test_an_indicator_that_cannot_be_made_is_stopped_like_one_that_fails():
    class Unmade(Level):
        def __init__(self, options: IndicatorOptions) -> None:
            raise KeyError("period")

    engine, sent = signals(("unmade", Unmade, ONE_MINUTE), ("level", Level, ONE_MINUTE))
    play(engine, [100.0] * MOST_FAILURES + [120.0])
    assert engine.stopped == {"unmade": "10 failures in a row, the last on btc: KeyError: 'period'"}
    assert [signal.indicator for signal in sent] == ["level"]


def test_one_instance_stopped_leaves_another_of_the_same_class_running():
    class Picky(Level):
        def update(self, candle: Candle) -> Reading | None:
            return failing(candle) if self.options.timeframe == "1m" else super().update(candle)

    engine, sent = signals(("picky", Picky, ONE_MINUTE), ("picky_5m", Picky, IndicatorOptions(timeframe="5m")))
    play(engine, [120.0] * 15)
    assert list(engine.stopped) == ["picky"]
    assert [signal.indicator for signal in sent] == ["picky_5m"]


def test_a_stopped_indicator_is_no_longer_among_the_last_signals():
    answers = iter([Reading(1.0, "buy", 0.5)])
    engine, sent = signals(answering(lambda candle: next(answers)))
    play(engine, [100.0])
    assert engine.last("btc") == sent != []
    play(engine, [100.0] * MOST_FAILURES, start=START + MINUTE)
    assert engine.last("btc") == []


def test_a_failing_indicator_is_logged_once_a_minute_however_many_symbols(caplog):
    every_second = IndicatorOptions(timeframe="1s")
    symbols = ("btc", "eth", "sol")
    answers = (None if number % 2 else "rubbish" for number in range(10_000))
    _, answer, _ = answering(lambda candle: next(answers))
    engine, _ = signals(("answers", answer, every_second), symbols=symbols)
    for symbol in symbols:
        engine.price(symbol, 100.0, START)
    with caplog.at_level(logging.INFO):
        for second in range(1, 181):
            engine.tick(START + second * 1_000)
    assert len(caplog.records) == 3


# -- other indicators and symbols while it runs


def test_what_is_known_goes_on_after_a_change():
    clock = FakeClock(milliseconds=START)
    engine, sent = signals(clock=clock)
    play(engine, [100.0, 80.0])
    engine.change([("level", Level, ONE_MINUTE), ("other", Level, ONE_MINUTE)], ["eth", "btc"], [])
    play(engine, [80.0, 120.0], start=START + 2 * MINUTE)
    assert [(one.indicator, one.signal) for one in sent] == [("level", "buy"), ("level", "sell"), ("other", "sell")]
    assert sent[1].values["seen"] == 4


def test_a_candle_that_had_begun_when_its_symbol_came_is_not_whole():
    clock = FakeClock(milliseconds=START + 1_000)
    engine, _ = signals(clock=clock)
    engine.price("btc", 100.0, START)
    engine.change([("level", Level, ONE_MINUTE)], ["btc", "eth"], [])
    engine.price("eth", 5.0, START + 2_000)
    assert [engine.running(symbol, "1m").gap for symbol in ("btc", "eth")] == [False, True]
    engine.price("eth", 5.0, START + MINUTE)
    assert not engine.running("eth", "1m").gap


def test_an_indicator_that_was_stopped_gets_another_chance_with_other_options():
    engine, _ = signals(answering(failing), clock=FakeClock(milliseconds=START))
    play(engine, [100.0] * MOST_FAILURES)
    assert [*engine.stopped] == ["answers"]
    engine.change([("answers", Level, ONE_MINUTE)], ["btc"], [])
    assert engine.stopped == {}
