"""The dashboard as a person sees it, in a browser that asks a running server."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import CONFIGURATION, GONE, SCREENSHOTS
from playwright.sync_api import Locator, Page, expect

PAGES = {"prices": "#/", "symbol": "#/symbol/btc", "sources": "#/sources", "plugins": "#/plugins"}
READY = {"prices": ".prices td.price:not(:empty)", "symbol": ".ladder .bid td:nth-child(3):not(:empty)",
         "sources": ".sources tbody tr", "plugins": ".indicators tbody tr"}  # fmt: skip
LONG_FRAME = 34  # milliseconds: two frames of a screen that shows 60 a second
NO_PRICE = "\u2013"
SERIOUS = {"serious", "critical"}


def row(page: Page, symbol: str) -> Locator:
    return page.locator(".prices tbody tr", has=page.get_by_role("link", name=symbol, exact=True))


def order(page: Page) -> list[str]:
    return page.locator(".prices tbody tr:not([hidden]) a.open").all_text_contents()


def overflow(page: Page) -> int:
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def painted(page: Page, selector: str) -> bool:
    return page.evaluate(
        """(selector) => {
          const canvas = document.querySelector(selector);
          const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
          return data.some((value) => value !== 0);
        }""",
        selector,
    )


def test_prices_move_and_all_is_said_to_be_simulated(visit):
    page = visit()
    expect(page.get_by_role("status").first).to_have_text("connected")
    expect(page.get_by_role("note")).to_contain_text("Simulated data from simulator: these prices are made up.")
    price = row(page, "BTC").locator("td.price")
    expect(price).to_have_text(re.compile(r"^\d\d,\d{3}\.\d\d$"))
    expect(price).not_to_have_text(price.inner_text())
    expect(price.locator("[data-flash]")).to_have_count(1)
    expect(row(page, "BTC").locator("td.venues")).to_have_text("3")
    expect(page.locator(".sparkline").first).to_have_attribute("width", "104")


def test_filter_is_reached_by_a_key_and_leaves_what_matches(visit):
    page = visit()
    expect(row(page, "BTC").locator("td.price")).not_to_be_empty()
    page.keyboard.press("/")
    page.keyboard.type("us et")
    expect(page.locator(".prices tbody tr:visible")).to_have_count(2)
    expect(page.locator(".count")).to_have_text("2 of 5")
    page.keyboard.type("xyz")
    expect(page.get_by_text("No symbol matches the filter")).to_be_hidden()
    page.get_by_role("searchbox").fill("xyz")
    expect(page.get_by_text("No symbol matches the filter")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".prices tbody tr:visible")).to_have_count(5)


def test_a_column_sorts_both_ways_and_says_so(visit):
    page = visit()
    for symbol in ("BTC", "ETH", "SOL", "USDT", "DOGE"):
        expect(row(page, symbol).locator("td.price")).not_to_have_text(NO_PRICE)
    head = page.get_by_role("columnheader", name="Price")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert order(page) == ["BTC", "ETH", "SOL", "USDT", "DOGE"]
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    assert order(page)[0] == "DOGE"
    page.get_by_role("button", name="Symbol").click()
    assert order(page) == sorted(order(page))


def test_keyboard_alone_goes_down_the_table_into_a_symbol_and_back(visit):
    page = visit()
    page.get_by_role("button", name="Symbol").press("Enter")
    expect(row(page, "BTC").locator("td.price")).not_to_have_text(NO_PRICE)
    page.keyboard.press("/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="BTC", exact=True)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#/symbol/doge$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("DOGE")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="DOGE", exact=True)).to_be_focused()


def test_symbol_has_candles_indicators_book_venues_and_signals(visit):
    page = visit("#/symbol/btc")
    expect(page.locator(".quote .price")).to_have_text(re.compile(r"^\d\d,\d{3}\.\d\d$"))
    expect(page.locator(".readout")).to_have_text(re.compile(r"O .* H .* L .* C .* V "))
    expect(page.locator(".choice [aria-pressed=true]")).to_have_text(["rsi", "macd"])
    expect(page.locator(".ladder .bid td:nth-child(3)").first).not_to_be_empty()
    expect(page.locator(".venue-list tbody tr")).to_have_count(3)
    expect(page.locator(".venue-list tbody td.weight").first).to_have_text("33.3 %")
    expect(page.locator(".signal-list .said").first).to_be_visible()
    expect(page.locator(".chart")).to_have_attribute("width", re.compile(r"^\d{3,}$"))
    assert painted(page, ".chart")
    assert painted(page, ".depth")
    page.locator(".chart").focus()
    page.keyboard.press("Home")
    oldest = page.locator(".readout").inner_text()
    page.keyboard.press("End")
    expect(page.locator(".readout")).not_to_have_text(oldest)


def test_timeframe_is_in_the_address_and_the_back_button_leads_back(visit):
    page = visit("#/symbol/eth/5m")
    expect(page.locator("[data-timeframe='5m']")).to_have_attribute("aria-current", "true")
    expect(page.locator(".note:visible").first).to_contain_text("No indicator reads the candles of 5m")
    page.locator("[data-timeframe='1m']").click()
    expect(page).to_have_url(re.compile("#/symbol/eth/1m$"))
    expect(page.locator("[data-timeframe='1m']")).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(page.locator("[data-timeframe='5m']")).to_have_attribute("aria-current", "true")


def test_symbol_that_is_not_there_is_told_of(visit):
    page = visit("#/symbol/xyz")
    expect(page.get_by_role("alert").first).to_have_text("This server has no symbol XYZ.")


def test_sources_and_plugins_are_told_of(visit):
    page = visit("#/sources")
    source = page.locator(".sources tbody tr")
    expect(source.locator(".state span")).to_have_text("connected")
    expect(source).to_contain_text("simulated")
    expect(source.locator(".fresh")).to_have_text("15 of 15")
    page.get_by_role("link", name="Plugins").click()
    expect(page.locator(".indicators tbody tr")).to_have_count(2)
    expect(page.locator(".plugins tbody tr", has_text="simulator").locator(".state span")).to_have_text("loaded")


def test_page_recovers_by_itself_when_the_server_comes_back(visit, serve):
    with ExitStack() as running:
        server = running.enter_context(serve())
        page = visit(port=server.port, tolerated=GONE)
        expect(row(page, "BTC").locator("td.price")).not_to_have_text(NO_PRICE)
        running.close()
        expect(page.get_by_role("status").first).to_have_text(re.compile("connecting"))
        expect(page.locator("body")).to_have_attribute("data-link", re.compile("reconnecting|lost"))
        running.enter_context(serve(port=server.port))
        expect(page.get_by_role("status").first).to_have_text("connected", timeout=20_000)
        price = row(page, "BTC").locator("td.price")
        expect(price).not_to_have_text(price.inner_text())


def test_token_is_asked_for_kept_for_the_tab_and_never_in_the_address(visit, serve):
    with serve(CONFIGURATION + "server: {token: {env: SECRET}}", SECRET="secret") as server:
        page = visit(port=server.port, tolerated=["401", *GONE])
        field = page.get_by_role("textbox", name="Token")
        field.fill("wrong")
        page.get_by_role("button", name="Connect").click()
        expect(page.locator("#token-wrong")).to_have_text("The server does not know this token.")
        field.fill("secret")
        page.get_by_role("button", name="Connect").click()
        expect(row(page, "BTC").locator("td.price")).not_to_have_text(NO_PRICE)
        assert "secret" not in page.url
        page.reload()
        expect(row(page, "BTC").locator("td.price")).not_to_have_text(NO_PRICE)


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 360])
def test_every_page_fits_is_accessible_and_is_shown_to_a_person(visit, shot: Callable, colours: str, width: int):
    page = visit(viewport={"width": width, "height": 800}, color_scheme=colours, reduced_motion="reduce")
    for name, address in PAGES.items():
        page.goto(f"{page.url.split('#')[0]}{address}")
        expect(page.locator(READY[name]).first).to_be_visible()
        assert overflow(page) <= 0, f"{name} is wider than the screen"
        # What is not connected is grey.
        expect(page.locator("body")).to_have_attribute("data-link", "connected")
        shot(page, f"{name}-{colours}-{width}")
        found = Axe().run(page).response["violations"]
        serious = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found if one["impact"] in SERIOUS]
        assert serious == [], name


def test_colours_follow_the_system_until_the_reader_chooses(visit):
    page = visit(color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    button = page.get_by_role("button", name="Colours")
    button.click()
    expect(button).to_have_accessible_name("Colours: light")
    light = page.evaluate(background)
    assert light != dark
    page.reload()
    assert page.evaluate(background) == light
    button.click()
    assert page.evaluate(background) == dark


def test_150_symbols_that_change_ten_times_a_second_end_at_their_newest_price(visit):
    symbols = [f"s{number:03}" for number in range(1, 151)]

    def prepare(page: Page) -> None:
        listed = [{"symbol": symbol, "aliases": [], "tick": 0.01, "tracked": True} for symbol in symbols]
        page.route("**/api/symbols", lambda route: route.fulfill(json={"symbols": listed, "timeframes": ["1m"]}))
        page.route("**/api/prices", lambda route: route.fulfill(json={"prices": []}))
        page.route("**/api/candles/**", lambda route: route.fulfill(json={"candles": []}))
        page.add_init_script(path=Path(__file__).parent / "fake_socket.js")

    page = visit(prepare=prepare)
    nodes = "document.querySelectorAll('*').length"
    page.get_by_role("button", name="Symbol").click()
    expect(page.locator(".prices .sparkline")).to_have_count(150)
    before = page.evaluate(nodes)
    newest = [f"{number}.00" for number in range(1, 151)]
    expect(page.locator(".prices td.price")).to_have_text(newest, timeout=20_000)
    assert page.evaluate(nodes) == before
    times = page.evaluate("window.measured")
    long = sum(time > LONG_FRAME for time in times)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    (SCREENSHOTS / "frames.txt").write_text(f"{len(times)} frames, {long} long, the longest {max(times):.0f} ms\n")
