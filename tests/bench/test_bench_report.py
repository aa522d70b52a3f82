"""The arithmetic of the benchmarks' report."""

from __future__ import annotations

import pytest
from measure import Job, Result
from report import Figure, figure, replace_section, row_report, summary, verdict
from rows import ROWS, Column, Contestant, Goal, Row
from servers import HERE, known_servers


def runs(metric: str = "deliveries", **values: object) -> dict[str, list[Result]]:
    """Results by contestant: one repetition for a number, several for a list."""
    return {
        name: [{metric: one} for one in (given if isinstance(given, list) else [given])]
        for name, given in values.items()
    }


def row(*goals: Goal) -> Row:
    contestants = (Contestant("haunt", "haunt", Job()), Contestant("bun", "bun", Job()))
    return Row("row", "A row", contestants, (Column("deliveries/s", "deliveries"),), goals, "What limits it.")


AT_LEAST_BUN = Goal("≥ 1.0 of Bun", "deliveries", at_least=1.0, of=("bun",))
AT_MOST_BUN = Goal("≤ Bun's", "deliveries", at_most=1.0, of=("bun",))


def test_a_figure_is_the_median_between_the_least_and_the_most() -> None:
    assert figure([{"cpu": 3}, {"cpu": 1}, {"cpu": 9}, {"error": "died"}], "cpu") == Figure(3, 1, 9)


@pytest.mark.parametrize(
    ("haunt", "word"), [(100, "met"), (101, "met"), (99, "tie"), (87, "tie"), (86, "missed"), (10, "missed")]
)
def test_a_ratio_missed_by_less_than_15_per_cent_is_a_tie(haunt: float, word: str) -> None:
    assert verdict(AT_LEAST_BUN, runs(haunt=haunt, bun=100)) == (haunt / 100, word)


@pytest.mark.parametrize(("haunt", "word"), [(90, "met"), (114, "tie"), (116, "missed")])
def test_for_a_ratio_that_should_be_small_too(haunt: float, word: str) -> None:
    assert verdict(AT_MOST_BUN, runs(haunt=haunt, bun=100)).word == word


def test_a_goal_that_is_a_number_knows_no_tie() -> None:
    goal = Goal("≤ 4 KiB", "kib", at_most=4.0)
    assert [verdict(goal, runs("kib", haunt=kib)).word for kib in (4.0, 4.1)] == ["met", "missed"]


def test_ratios_are_of_medians() -> None:
    assert verdict(AT_LEAST_BUN, runs(haunt=[50, 200, 220], bun=[100, 90, 900])).value == 2.0


def test_the_worst_of_some_is_compared_with_the_best_of_others() -> None:
    goal = Goal("flat", "cost", at_most=1.5, who=("few", "many"), of=("few", "many"))
    assert verdict(goal, runs("cost", few=4, many=8)) == (2.0, "missed")


def test_what_never_happened_is_missed() -> None:
    goal = Goal("gone within 30 s", "gone", at_most=30.0)
    assert verdict(goal, runs("gone", haunt=[17.0, None, None])).word == "missed"


def test_without_a_figure_there_is_no_verdict() -> None:
    assert verdict(AT_LEAST_BUN, runs(haunt=100)).word == "not measured"


def test_the_summary_has_a_line_for_each_goal() -> None:
    lines = summary([(row(AT_LEAST_BUN, AT_MOST_BUN), runs(haunt=110, bun=100))]).splitlines()
    assert lines[2:] == ["| A row | ≥ 1.0 of Bun | 1.10 | met |", "| A row | ≤ Bun's | 1.10 | tie |"]


def test_a_row_shows_medians_spreads_and_ratios() -> None:
    lines = row_report(row(), runs(haunt=[900, 1000, 1200], bun=500), {"haunt": "Haunt", "bun": "Bun"}).splitlines()
    assert "| Haunt | 1,000 (900 to 1,200) | 1.00 |" in lines
    assert "| Bun | 500 | 2.00 |" in lines


def test_a_row_tells_of_noise_and_faults() -> None:
    noisy = {"deliveries": 1.0, "others": 0.5, "backwards": 7, "bad": 0, "closed": 0}
    text = " ".join(row_report(row(), {"haunt": [noisy], "bun": [{"error": "it died"}]}, {}).split())
    assert "haunt: 1 of 1 runs noisy" in text
    assert "haunt: 7 prices or times that went back" in text
    assert "bun: 1 of 1 runs failed: it died" in text


def test_a_section_replaces_itself_and_leaves_the_others() -> None:
    document = replace_section(replace_section("", "fanout", "old"), "ingest-ws", "reading")
    document = replace_section(document, "fanout", "new \\1")
    assert "old" not in document
    assert [document.count(part) for part in ("# Performance", "new \\1", "reading")] == [1, 1, 1]


@pytest.mark.parametrize("one", ROWS, ids=lambda one: one.name)
def test_every_row_compares_contestants_it_has_with_servers_there_are(one: Row) -> None:
    names = [contestant.name for contestant in one.contestants]
    for goal in one.goals:
        assert {*goal.who, *goal.of} <= set(names)
        assert (goal.at_least is None) != (goal.at_most is None)
    assert {contestant.server for contestant in one.contestants} <= known_servers().keys()


def test_every_server_of_ours_is_there() -> None:
    ours = [part for server in known_servers().values() for part in server.command if part.startswith(str(HERE))]
    assert [part for part in ours if not HERE.joinpath(part).is_file()] == []
    assert len(ours) >= 8
