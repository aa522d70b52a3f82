"""The dashboard's files: what is served, how, and what is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from strangers import running
from web import get

from haunt.web.dashboard import STATIC

FILES = sorted(path.name for path in STATIC.iterdir())
NAMED = re.compile(r'(?:src|href)="(static/[^"]+)"|from "\./([^"]+)"')


@pytest.mark.gen_test
async def test_page_and_all_its_files_are_served_and_run_nothing_from_elsewhere(tmp_path: Path):
    async with running(tmp_path) as haunt:
        answers = {path: await get(haunt, path) for path in ("/", *(f"/static/{name}" for name in FILES))}
    for path, answer in answers.items():
        policy = answer.headers["Content-Security-Policy"]
        assert (answer.code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff"), path
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; "), path
        assert "unsafe" not in policy, path
    assert answers["/"].headers["Content-Type"] == "text/html; charset=utf-8"
    assert "javascript" in answers["/static/app.js"].headers["Content-Type"]


def test_every_file_that_is_named_is_there_and_every_file_is_named():
    named = {a.removeprefix("static/") or b for path in STATIC.iterdir() for a, b in NAMED.findall(path.read_text())}
    assert named | {"index.html"} == set(FILES)


def test_nothing_comes_from_another_server_and_no_markup_is_made_of_text():
    text = "".join(path.read_text() for path in STATIC.iterdir()).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?://|@import|innerHTML|insertAdjacentHTML|document\.write|\beval\b", text)


@pytest.mark.gen_test
async def test_page_is_never_kept_and_its_files_are_asked_for_again_only_when_they_changed(tmp_path: Path):
    async with running(tmp_path) as haunt:
        page, file = await get(haunt, "/"), await get(haunt, "/static/app.js")
        again = await get(haunt, "/static/app.js", headers={"If-None-Match": file.headers["Etag"]})
    assert page.headers["Cache-Control"] == "no-store"
    assert (file.headers["Cache-Control"], again.code, again.body) == ("no-cache", 304, b"")


@pytest.mark.gen_test
async def test_head_of_a_file_is_get_without_the_body(tmp_path: Path):
    async with running(tmp_path) as haunt:
        full, head = await get(haunt, "/static/app.js"), await get(haunt, "/static/app.js", method="HEAD")
    assert (head.code, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(full.body))


@pytest.mark.gen_test
@pytest.mark.parametrize(
    "path", ["/static/", "/static/nothing.js", "/static/../page.py", "/static/%2e%2e/page.py", "/static//etc/passwd",
             "/static/..%2f..%2fapp.py", "/static/%00"],
)  # fmt: skip
async def test_what_is_no_file_of_the_dashboard_is_refused(tmp_path: Path, path: str):
    async with running(tmp_path) as haunt:
        answer = await get(haunt, path)
    assert (answer.code, json.loads(answer.body)["error"]) in ((403, "forbidden"), (404, "not_found"))


@pytest.mark.gen_test
async def test_page_that_rebound_its_name_to_this_machine_gets_no_file(tmp_path: Path):
    async with running(tmp_path) as haunt:
        answer = await get(haunt, "/static/app.js", headers={"Host": "evil.example"})
    assert (answer.code, json.loads(answer.body)["error"]) == (403, "host_not_allowed")
