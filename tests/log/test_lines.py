"""How a line of the log looks: what strangers say stays in it."""

from __future__ import annotations

import json

from said import said

from haunt.log.lines import JsonLines, Pretty
from haunt.log.masks import Masks

FORGED = "price\r\n12:00:00 INFO    all is well \x1b[2K é"


def test_what_a_stranger_says_stays_in_its_line():
    line = Pretty().format(said("the venue refused %s", FORGED))
    assert line[9:] == "WARNING the venue refused price\\r\\n12:00:00 INFO    all is well \\x1b[2K é"


def test_a_traceback_follows_indented_so_that_it_can_forge_no_line():
    record = Masks().masked(said("failed", error=ValueError(FORGED)))
    assert Pretty().format(record).splitlines()[1:] == [
        "    ValueError: price\\r",
        "    12:00:00 INFO    all is well \\x1b[2K é",
    ]


def test_json_is_one_object_a_line():
    record = Masks().masked(said("refused %s", FORGED, error=ValueError(FORGED)))
    record.created = 1_700_000_000.0567
    line = JsonLines().format(record)
    assert len(line.splitlines()) == 1
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.056Z",
        "level": "warning",
        "logger": "haunt.stream",
        "message": f"refused {FORGED}",
        "exception": f"ValueError: {FORGED}",
    }


def test_json_has_no_exception_where_there_is_none():
    assert json.loads(JsonLines().format(said("all is well"))).keys() == {"time", "level", "logger", "message"}
