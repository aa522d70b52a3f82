"""What each indicator should say of a whole series at once: TA-Lib's values, and the rules as documented.

`strength` and `turn` are what haunt.plugin.rating makes signals of. `rounding` is the size of the numbers whose last
digits an output consists of where it passes through zero, or, in TA-Lib, long after they have left its running sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import talib

from haunt import Candle, Indicator, IndicatorOptions
from haunt.plugin.registry import Registry, options_class

Array = np.ndarray


class Series(NamedTuple):
    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array

    @property
    def typical(self) -> Array:
        return (self.high + self.low + self.close) / 3


class Said(NamedTuple):
    values: Mapping[str, Array]
    strength: Array
    turn: Array
    rounding: Array | float | Mapping[str, Array]
    primary: str
    warm_up: int


def series(candles: Sequence[Candle]) -> Series:
    return Series(*np.array([candle[1:6] for candle in candles]).T.copy())


def made(name: str, **options: object) -> Indicator:
    """The indicator as a configuration has it."""
    cls = Registry().indicator(name)
    return cls(options_class(cls).model_validate(options))


def outputs(indicator: Indicator, candles: Sequence[Candle]) -> dict[str, Array]:
    """Each output after each candle, NaN while it warms up."""
    readings = [indicator.update(candle) for candle in candles]
    names = next(reading for reading in readings if reading).values
    return {name: np.array([reading.values[name] if reading else np.nan for reading in readings]) for name in names}


def said(name: str, options: IndicatorOptions, candles: Sequence[Candle]) -> Said:
    with np.errstate(all="ignore"):
        return DEFINITIONS[name](series(candles), options)


def difference(found: Array, expected: Said, output: str) -> float:
    """The largest of |found - expected| / (|expected| + rounding / 1e5), infinite where only one is known.

    So 1e-9 is a part in 1e9 of a value, and a part in 1e14 of what a value near zero is the rest of.
    """
    values = expected.values[output]
    if (np.isnan(found) != np.isnan(values)).any():
        return float("inf")
    rounding = expected.rounding[output] if isinstance(expected.rounding, dict) else expected.rounding
    with np.errstate(all="ignore"):
        parts = np.where(found == values, 0.0, np.abs(found - values) / (np.abs(values) + rounding * 1e-5))
    return float(np.nanmax(parts))


# -- the parts of rules


def before(values: Array) -> Array:
    return np.concatenate(([np.nan], values[:-1]))


def apart(one: Array, other: Array) -> Array:
    return np.nan_to_num(nothing_within(1e-9, one - other, one))


def turning(values: Array) -> Array:
    return apart(values, before(values))


def nothing_within(part: float, distance: Array, of: Array) -> Array:
    return np.where(np.abs(distance) <= part * np.abs(of), 0.0, distance)


def beside_usual(distance: Array, of: Array, period: int) -> Array:
    strength, usual = np.zeros(len(distance)), None
    for position, size in enumerate(np.abs(distance)):
        if not np.isnan(size):
            usual = size if usual is None else usual
            strength[position] = distance[position] / (size + usual) if size > 1e-12 * of[position] else 0.0
            usual += (size - usual) * 2 / (period + 1)
    return strength


def past_levels(values: Array, options: IndicatorOptions, least: float, most: float) -> Array:
    low, high = options.buy_below, options.sell_above
    buy, sell = (low - values) / (low - least), (high - values) / (most - high)
    return np.select([values < low, values > high], [buy, sell], 0.0)


def outside(price: Array, lower: Array, upper: Array) -> Array:
    distance = np.select([price > upper, price < lower], [price - upper, price - lower], 0.0)
    distance = nothing_within(1e-12, distance, price)
    return np.where(distance == 0, 0.0, distance / (np.abs(distance) + (upper - lower) / 2))


def highest_so_far(prices: Array) -> Array:
    return np.maximum.accumulate(prices)


def height(s: Series, period: int) -> Array:
    return talib.MAX(s.high, period) - talib.MIN(s.low, period)


# -- the sixteen


def sma(s: Series, o: IndicatorOptions) -> Said:
    average = talib.SMA(s.close, o.period)
    strength = beside_usual(s.close - average, s.close, o.period)
    return Said({"sma": average}, strength, before(strength), highest_so_far(s.close), "sma", o.period - 1)


def ema(s: Series, o: IndicatorOptions) -> Said:
    average = talib.EMA(s.close, o.period)
    strength = beside_usual(s.close - average, s.close, o.period)
    return Said({"ema": average}, strength, before(strength), 0.0, "ema", o.period - 1)


def rsi(s: Series, o: IndicatorOptions) -> Said:
    values = talib.RSI(s.close, o.period)
    changes = np.abs(np.diff(s.close, prepend=s.close[0]))
    movement = np.concatenate(([np.nan], talib.RMA(changes[1:], o.period)))
    strength = np.where(movement > 1e-12 * s.close, past_levels(values, o, 0, 100), 0.0)
    return Said({"rsi": values}, strength, turning(values), 0.0, "rsi", o.period)


def macd(s: Series, o: IndicatorOptions) -> Said:
    values = dict(zip(("macd", "signal", "histogram"), talib.MACD(s.close, o.fast, o.slow, o.signal), strict=True))
    level = talib.EMA(s.close, o.slow)
    histogram = values["histogram"]
    strength = beside_usual(histogram, level, o.slow)
    return Said(values, strength, turning(histogram), level, "histogram", o.slow + o.signal - 2)


def bollinger(s: Series, o: IndicatorOptions) -> Said:
    upper, middle, lower = talib.BBANDS(s.close, o.period, o.width, o.width)
    wide = upper - middle > 1e-12 * s.close
    percent_b = np.where(wide, (s.close - lower) / (upper - lower), np.where(np.isnan(upper), np.nan, 0.5))
    strength = np.where(wide, -outside(s.close, lower, upper), 0.0)
    values = {"upper": upper, "middle": middle, "lower": lower, "percent_b": percent_b}
    # TA-Lib takes the square of the mean from the mean of the squares: what that rounds is large beside narrow bands.
    highest = highest_so_far(s.close)
    rounding = {"percent_b": np.where(wide, (highest / (upper - lower)) ** 2, 0.0)}
    rounding |= dict.fromkeys(("upper", "middle", "lower"), highest)
    return Said(values, strength, turning(s.close), rounding, "percent_b", o.period - 1)


def stochastic(s: Series, o: IndicatorOptions) -> Said:
    k, d = talib.STOCH(s.high, s.low, s.close, o.period, o.smooth, 0, o.signal, 0)
    strength = np.where(height(s, o.period) > 0, past_levels(k, o, 0, 100), 0.0)
    return Said({"k": k, "d": d}, strength, apart(k, d), 100.0, "k", o.period + o.smooth + o.signal - 3)


def atr(s: Series, o: IndicatorOptions) -> Said:
    values = talib.ATR(s.high, s.low, s.close, o.period)
    change = s.close - before(s.close)
    beyond = nothing_within(1e-12, np.abs(change) - o.leap * before(values), s.close)
    strength = np.where(beyond > 0, beyond / change, 0.0)
    return Said({"atr": values}, strength, s.close - (s.high + s.low) / 2, 0.0, "atr", o.period)


def adx(s: Series, o: IndicatorOptions) -> Said:
    values = talib.ADX(s.high, s.low, s.close, o.period)
    plus, minus = (di(s.high, s.low, s.close, o.period) for di in (talib.PLUS_DI, talib.MINUS_DI))
    plus, minus = (np.where(np.isnan(values), np.nan, di) for di in (plus, minus))
    moves = talib.ATR(s.high, s.low, s.close, o.period) * o.period > 1e-12 * s.close
    past = (values - o.trend_above) / (100 - o.trend_above)
    strength = np.where((past > 0) & moves, past * np.sign(plus - minus), 0.0)
    outputs = {"adx": values, "plus_di": plus, "minus_di": minus}
    return Said(outputs, strength, turning(values) * np.sign(plus - minus), 0.0, "adx", 2 * o.period - 1)


def cci(s: Series, o: IndicatorOptions) -> Said:
    values = talib.CCI(s.high, s.low, s.close, o.period)
    deviation = talib.AVGDEV(s.typical, o.period)
    values = np.where(deviation <= 1e-12 * s.typical, 0.0, values)
    level = np.clip(values, o.buy_below, o.sell_above)
    strength = np.where(level == values, 0.0, (level - values) / np.abs(values))
    rounding = np.where(values == 0.0, 0.0, highest_so_far(s.typical) / (0.015 * deviation))
    return Said({"cci": values}, strength, turning(values), rounding, "cci", o.period - 1)


def obv(s: Series, o: IndicatorOptions) -> Said:
    values = talib.OBV(s.close, s.volume)
    strength = beside_usual(values - talib.SMA(values, o.period), np.abs(values), o.period)
    return Said({"obv": values}, strength, before(strength), highest_so_far(np.abs(values)), "obv", 0)


def mfi(s: Series, o: IndicatorOptions) -> Said:
    values = talib.MFI(s.high, s.low, s.close, s.volume, o.period)
    flow = s.typical * s.volume
    flow[nothing_within(1e-14, s.typical - before(s.typical), s.typical) == 0] = 0.0
    money = np.array([flow[max(0, end - o.period) : end].sum() for end in range(1, len(flow) + 1)])
    strength = np.where(money > 0, past_levels(values, o, 0, 100), 0.0)
    rounding = np.where(money > 0, 100 * highest_so_far(flow) / money, 0.0)
    return Said({"mfi": values}, strength, turning(values), rounding, "mfi", o.period)


def vwap(s: Series, o: IndicatorOptions) -> Said:
    """Of one session."""
    traded = np.cumsum(s.volume)
    values = np.where(traded > 0, talib.VWAP(s.high, s.low, s.close, s.volume), s.typical)
    strength = beside_usual(s.close - values, s.close, 20)
    return Said({"vwap": values}, strength, before(strength), 0.0, "vwap", 0)


def williams_r(s: Series, o: IndicatorOptions) -> Said:
    values = talib.WILLR(s.high, s.low, s.close, o.period)
    strength = np.where(height(s, o.period) > 0, past_levels(values, o, -100, 0), 0.0)
    return Said({"williams_r": values}, strength, turning(values), 0.0, "williams_r", o.period - 1)


def donchian(s: Series, o: IndicatorOptions) -> Said:
    upper, middle, lower = talib.DONCHIAN(s.high, s.low, o.period)
    strength = np.nan_to_num(outside(s.close, before(lower), before(upper)))
    values = {"upper": upper, "middle": middle, "lower": lower}
    return Said(values, strength, before(strength), 0.0, "middle", o.period - 1)


def keltner(s: Series, o: IndicatorOptions) -> Said:
    upper, middle, lower = talib.KC(s.high, s.low, s.close, o.period, o.atr_period, o.width)
    strength = np.nan_to_num(outside(s.close, lower, upper))
    values = {"upper": upper, "middle": middle, "lower": lower}
    level = highest_so_far(s.close) * o.width
    return Said(values, strength, before(strength), level, "middle", max(o.period - 1, o.atr_period))


def supertrend(s: Series, o: IndicatorOptions) -> Said:
    stop, trend = talib.SUPERTREND(s.high, s.low, s.close, o.period, o.width)
    distance = nothing_within(1e-12, s.close - stop, s.close)
    reach = o.width * talib.ATR(s.high, s.low, s.close, o.period)
    strength = np.where(distance == 0, 0.0, np.nan_to_num(distance / (np.abs(distance) + reach)))
    values = {"supertrend": stop, "trend": np.where(np.isnan(stop), np.nan, trend)}
    return Said(values, strength, before(strength), highest_so_far(s.close) * o.width, "supertrend", o.period)


DEFINITIONS: Mapping[str, Callable[[Series, IndicatorOptions], Said]] = {
    function.__name__: function
    for function in (
        sma, ema, rsi, macd, bollinger, stochastic, atr, adx, cci, obv, mfi, vwap, williams_r, donchian, keltner,
        supertrend,
    )
}  # fmt: skip
NAMES = tuple(DEFINITIONS)
