"""Names of symbols, and the prices that can be published."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haunt.market.symbols import Symbol, Symbols

TICKS = st.sampled_from([None, 1e-8, 0.0001, 0.01, 0.05, 0.25, 1.0, 10.0])
SYMBOLS = st.builds(Symbol, st.just("btc"), tick=TICKS)
PRICES = st.floats(1e-12, 1e6)
ANY_PRICES = st.floats(0, 1e47, exclude_min=True)


@pytest.mark.parametrize(
    ("tick", "price", "published"),
    [
        (0.01, 67234.560000000005, 67234.56),
        (0.01, 67234.567, 67234.57),
        (0.05, 1.13, 1.15),
        (10.0, 67234.5, 67230.0),
        (0.01, 0.001234567890123, 0.00123456789),
        (None, 67234.567890123, 67234.56789),
        (None, 0.000018123456789, 0.00001812345679),
    ],
)
def test_price_is_put_on_its_tick_or_on_ten_digits(tick: float | None, price: float, published: float):
    assert Symbol("btc", tick=tick).round(price) == published


@given(SYMBOLS, ANY_PRICES)
def test_published_price_is_never_zero_and_stays_as_it_is(symbol: Symbol, price: float):
    published = symbol.round(price)
    assert published > 0
    assert symbol.round(published) == published


@given(SYMBOLS, PRICES)
def test_published_price_is_within_half_a_step(symbol: Symbol, price: float):
    on_ticks = symbol.tick is not None and price >= symbol.tick
    allowed = symbol.tick / 2 if on_ticks else price * 0.5e-9
    assert abs(symbol.round(price) - price) <= allowed + price * 1e-15


@given(SYMBOLS, ANY_PRICES)
def test_rounding_up_and_down_encloses_the_price(symbol: Symbol, price: float):
    assert symbol.round_down(price) <= price <= symbol.round_up(price)


@given(SYMBOLS, PRICES)
def test_rounding_up_and_down_leave_a_published_price_alone(symbol: Symbol, price: float):
    published = symbol.round(price)
    assert symbol.round_down(published) == symbol.round_up(published) == published


@given(st.sampled_from(["0.01", "0.05", "0.25", "0.0001", "1"]), st.integers(1, 10**9))
def test_every_multiple_of_the_tick_is_a_published_price(tick: str, count: int):
    price = float(Decimal(tick) * count)
    assert Symbol("btc", tick=float(tick)).round(price) == price


@given(st.decimals(1, 9_999_999_999, places=4))
def test_price_of_ten_digits_is_published_as_it_is(price: Decimal):
    digits = float(f"{price:.10g}")
    assert Symbol("btc").round(digits) == digits


def test_symbol_is_found_by_any_of_its_names():
    symbols = Symbols([Symbol("btc", aliases=("xbt",)), Symbol("eth")])
    assert [symbols.find(text) for text in ("btc", " XBT\n", "Eth", "BTC-USD", "", "xyz")] == [
        "btc", "btc", "eth", None, None, None,
    ]  # fmt: skip
    assert [symbol.name for symbol in symbols] == ["btc", "eth"]
    assert len(symbols) == 2


def test_own_name_comes_before_another_symbols_alias():
    symbols = Symbols([Symbol("wbtc", aliases=("btc", "w")), Symbol("btc", aliases=("w",))])
    assert [symbols.find(name) for name in ("btc", "w")] == ["btc", "wbtc"]


def test_asset_codes_are_the_names_in_capitals():
    assert Symbol("btc", aliases=("xbt",)).assets == {"BTC", "XBT"}
