"""A browser, a server as its user starts it, and pages in which a mistake of ours fails the test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from browsing import CONFIGURATION, SCREENSHOTS
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from serving import HAUNT, Running, serving

CHROMIUM = shutil.which("chromium")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]
Serve = Callable[..., Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module: while it runs, no other event loop can."""
    if CHROMIUM is None:
        pytest.skip("needs chromium; scripts/test installs it as root, others with: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    @contextmanager
    def start(configuration: str = CONFIGURATION, port: int = 0, **environ: str) -> Iterator[Running]:
        folder = tmp_path_factory.mktemp("haunt")
        (folder / "haunt.yaml").write_text(configuration)
        command = [HAUNT, "serve", folder / "haunt.yaml"]
        with serving(command, folder / "log", environ=environ, cwd=folder, port=port) as running:
            yield running

    return start


@pytest.fixture(scope="module")
def server(serve: Serve) -> Iterator[Running]:
    with serve() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, server: Running) -> Iterator[Callable[..., Page]]:
    """Opens an address of the dashboard; whatever the console complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_page(
        hash_: str = "",
        *,
        port: int | None = None,
        tolerated: Sequence[str] = (),
        prepare: Callable[[Page], object] = lambda page: None,
        **context: Any,
    ) -> Page:
        contexts.append(browser.new_context(**{"viewport": {"width": 1360, "height": 900}, **context}))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: said.type in ("error", "warning") and complain(said.text, tolerated))
        prepare(page)
        page.goto(f"http://localhost:{port or server.port}/{hash_}")
        return page

    def complain(text: str, tolerated: Sequence[str]) -> None:
        if not any(words in text for words in tolerated):
            complaints.append(text)

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """Keeps what a person should look at."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    return lambda page, name: page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True) and None
