"""``clawmatrix help``."""

from __future__ import annotations

import pytest

from clawmatrix_core.cli.shell import execute
from clawmatrix_core.cli.topics import TOPICS


@pytest.mark.parametrize("arguments", [["help"], ["help", "topics"]])
def test_all_topics_are_listed_with_a_summary(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[: len(TOPICS)]] == list(TOPICS)
    assert lines[0].endswith("Two machines: one that the other can reach, here relay.example.")


@pytest.mark.parametrize("words", [["two-machines"], ["two", "machines"], ["Two-Machines"]])
def test_a_topic_is_explained(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["help", *words]) == 0
    assert capsys.readouterr().out == TOPICS["two-machines"]


def test_the_article_of_a_topic_may_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["help", "a", "client"]) == 0
    assert capsys.readouterr().out == TOPICS["client"]


def test_an_unknown_topic_names_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["help", "pigeons"]) == 2
    told = capsys.readouterr().err
    assert "no topic 'pigeons': the topics are two-machines, reverse-proxy, grants" in told


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_fits_on_a_screen(topic: str) -> None:
    lines = TOPICS[topic].splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 88
