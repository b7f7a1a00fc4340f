"""Checks run side by side, each with its own end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from clawmatrix_core.base.redaction import register_secret
from clawmatrix_core.doctor.running import finding_from_json, finding_json, run_checks
from clawmatrix_core.loading.contributions import Check, Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = pytest.mark.anyio

FINE = Finding("fine", "ok", "all is well")


async def fine() -> Sequence[Finding]:
    return [FINE]


async def test_findings_come_in_the_order_of_the_checks() -> None:
    second_done = anyio.Event()

    async def first() -> Sequence[Finding]:
        await second_done.wait()
        return [Finding("first", "ok", "1"), Finding("first", "ok", "2")]

    async def second() -> Sequence[Finding]:
        second_done.set()
        return [Finding("second", "warning", "3", "do")]

    found = await run_checks([Check("first", first), Check("second", second)])
    assert [finding.detail for finding in found] == ["1", "2", "3"]


async def test_a_check_that_raises_is_a_problem_and_the_others_are_made() -> None:
    async def broken() -> Sequence[Finding]:
        raise ValueError("no stethoscope")

    [bad, good] = await run_checks([Check("broken", broken), Check("fine", fine)])
    assert (bad.name, bad.status) == ("broken", "problem")
    assert bad.detail == "the check itself failed: ValueError: no stethoscope"
    assert good == FINE


@pytest.mark.parametrize(
    ("gives", "why"),
    [
        ("ok", "gave a str, not a list"),
        (FINE, "gave a Finding, not a list"),
        (["ok"], "gave a str, not a Finding"),
    ],
)
async def test_what_is_no_list_of_findings_is_a_problem_of_that_check(gives: Any, why: str) -> None:
    async def careless() -> Any:
        return gives

    [bad, good] = await run_checks([Check("careless", careless), Check("fine", fine)])
    assert (bad.name, bad.detail) == ("careless", f"the check itself failed: TypeError: {why}")
    assert good == FINE


async def test_a_check_that_hangs_is_a_problem_once_its_time_is_over() -> None:
    async def endless() -> Sequence[Finding]:
        await anyio.sleep_forever()
        return []

    [bad, good] = await run_checks([Check("endless", endless), Check("fine", fine)], limit=0.05)
    assert (bad.status, bad.detail) == ("problem", "the check took over 0.05 s")
    assert good == FINE


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (None, "TypeError: gave a NoneType, not a list"),
        (["fine"], "TypeError: gave a str, not a Finding"),
        ([Finding("x", "dreadful", "y")], "ValueError: gave the status 'dreadful', not one of ok,"),  # type: ignore[arg-type]
        ([Finding("x", "ok", 5)], "TypeError: gave a finding whose name, detail or advice"),  # type: ignore[arg-type]
    ],
)
async def test_what_is_no_finding_is_one_that_names_the_plugin(given: Any, words: str) -> None:
    async def odd() -> Any:
        return given

    [bad, good] = await run_checks([Check("odd", odd, plugin="own"), Check("fine", fine)])
    assert (bad.name, bad.status) == ("odd", "problem")
    assert bad.detail.startswith(f"plugin own: the check itself failed: {words}")
    assert good == FINE


async def test_secrets_are_left_out_of_what_is_found() -> None:
    register_secret("a-secret-of-this-test")

    async def talkative() -> Sequence[Finding]:
        return [Finding("x", "problem", "it is a-secret-of-this-test", "use a-secret-of-this-test")]

    [found] = await run_checks([Check("x", talkative)])
    assert (found.detail, found.advice) == ("it is ***", "use ***")


def test_a_finding_goes_over_the_socket_and_back() -> None:
    finding = Finding("x", "problem", "broken", "mend it")
    assert finding_from_json({**finding_json(finding), "more": "of a newer version"}) == finding
    assert list(finding_json(finding)) == ["name", "status", "detail", "advice"]
