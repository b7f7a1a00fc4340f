"""A commit is measured against another in pairs, and judged by the floor."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.benchmarks import against
from tests.benchmarks.against import SHORT, Judged, Side, judge, measure, render
from tests.benchmarks.paired import RESAMPLES
from tests.benchmarks.render import TITLES
from tests.benchmarks.run import NAMES


def report(**rows: tuple[str, float | None]) -> dict[str, Any]:
    """Return what a benchmark writes: for each measure which way is better, and our figure."""
    return {
        "rows": [
            {"measure": name, "unit": "us", "better": better, "ours": ours}
            for name, (better, ours) in rows.items()
        ]
    }


def judged(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> dict[str, Judged]:
    pairs: list[dict[Side, Any]] = [
        {"old": one, "new": other} for one, other in zip(old, new, strict=True)
    ]
    return {one.measure: one for one in judge("relay", pairs, 0.97, 1)}


def noisy(speed: float, pairs: int = 20) -> list[dict[str, Any]]:
    draw = random.Random(f"{speed}")
    values = [speed * draw.uniform(0.95, 1.05) for _ in range(pairs)]
    return [report(rate=("higher", 100 * value), wait=("lower", 10 / value)) for value in values]


def test_sides_take_turns_and_every_other_pair_is_reversed() -> None:
    ran: list[tuple[str, str]] = []

    def run(side: Side, name: str) -> dict[str, Any]:
        ran.append((name, side))
        return {"rows": [], "by": side}

    found = measure(run, ["relay", "models"], 3)
    one, other = [("relay", "old"), ("relay", "new")], [("models", "old"), ("models", "new")]
    assert ran == [*one, *other, *one[::-1], *other[::-1], *one, *other]
    assert {name: len(pairs) for name, pairs in found.items()} == {"relay": 3, "models": 3}
    assert all(pair[side]["by"] == side for pair in found["relay"] for side in ("old", "new"))


def test_a_commit_that_is_a_tenth_slower_is_below_the_floor() -> None:
    found = judged(noisy(1.0), noisy(0.9))
    assert {words: one.is_kept for words, one in found.items()} == {"rate": False, "wait": False}


def test_a_commit_that_is_as_fast_is_kept() -> None:
    found = judged(noisy(1.0), noisy(1.001))
    assert {words: one.is_kept for words, one in found.items()} == {"rate": True, "wait": True}


def test_a_commit_that_is_faster_has_a_ratio_above_one() -> None:
    found = judged(noisy(1.0), noisy(1.2))
    for one in found.values():
        assert one.ratio is not None
        assert one.ratio.low > 1.1
        assert one.is_kept


def test_a_figure_that_is_gone_is_not_kept() -> None:
    full, less = report(rate=("higher", 1.0), wait=("lower", 1.0)), report(rate=("higher", 1.0))
    assert not judged([full] * 15, [less] * 15)["wait"].is_kept


def test_a_figure_that_is_new_is_shown_and_kept() -> None:
    full, less = report(rate=("higher", 1.0), wait=("lower", 1.0)), report(rate=("higher", 1.0))
    one = judged([less] * 15, [full] * 15)["wait"]
    assert (one.old, one.new, one.ratio, one.is_kept) == (None, 1.0, None, True)


def test_a_pair_in_which_a_run_lacks_the_figure_is_left_out() -> None:
    whole, without = report(wait=("lower", 1.0)), report(wait=("lower", None))
    found = judged([whole] * 15, [whole] * 14 + [without])["wait"]
    assert found.ratio is not None
    assert found.ratio.pairs == 14


def test_a_figure_that_is_nought_on_both_sides_is_kept() -> None:
    assert judged([report(lost=("lower", 0.0))] * 15, [report(lost=("lower", 0.0))] * 15)[
        "lost"
    ].is_kept


def test_a_figure_that_is_mostly_below_nought_cannot_be_compared() -> None:
    good, bad = report(added=("lower", 1.0)), report(added=("lower", -1.0))
    assert not judged([good] * 15, [bad] * 8 + [good] * 7)["added"].is_kept
    found = judged([good] * 15, [bad] * 7 + [good] * 8)["added"]
    assert found.is_kept
    assert found.ratio is not None
    assert found.ratio.pairs == 8


def test_a_measure_beside_two_peers_counts_once() -> None:
    twice = report(rate=("higher", 2.0))
    twice["rows"] *= 2
    found = judged([twice] * 15, [twice] * 15)
    assert found["rate"].ratio is not None
    assert found["rate"].ratio.pairs == 15


def test_the_table_says_what_is_below_the_floor() -> None:
    text = render([*judged(noisy(1.0), noisy(0.9)).values()], 0.97)
    assert text.count("| YES |") == 2
    assert text.endswith("2 figures, 2 of them worse or not comparable.\n")


def test_every_benchmark_has_a_short_run() -> None:
    assert set(SHORT) == set(TITLES) == set(NAMES)
    assert RESAMPLES >= 10_000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["HEAD", "--pairs", "14"], "fewer than 15 pairs"),
        (["HEAD", "--only", "nothing"], "no benchmark nothing"),
        ([], "REV"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as raised:
        against.main(arguments)
    assert raised.value.code == 2
    assert said in capsys.readouterr().err
