"""Tests of what foreign code lets out beside exceptions."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from clawmatrix_core.base.cancellation import EndsProcess, StrayCancellation, stray

pytestmark = pytest.mark.anyio


class Gust(BaseException):
    """What is no Exception."""


async def test_exceptions_stand_for_themselves() -> None:
    error = ValueError("x")
    assert stray(error) is error
    assert stray(error, called=True) is error


@pytest.mark.parametrize("called", [False, True])
async def test_what_means_to_end_the_process_is_a_fault_of_its_own(called: bool) -> None:
    fault = stray(SystemExit(3), called=called)
    assert isinstance(fault, EndsProcess)
    assert str(fault) == "means to end the process (SystemExit: 3)"
    assert isinstance(stray(KeyboardInterrupt(), called=called), EndsProcess)
    fault = stray(Gust("up"), called=called)
    assert str(fault) == "raised Gust, which is no Exception: up"


async def test_the_loops_own_are_raised_again() -> None:
    assert stray(GeneratorExit()) is None
    assert stray(GeneratorExit(), called=True) is None
    found: list[Exception | None] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.sleep_forever()
        except BaseException as error:
            found.append(stray(error))
            raise
    assert found == [None]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cancellation_that_nobody_asked_for_is_a_fault() -> None:
    assert isinstance(stray(asyncio.CancelledError()), StrayCancellation)


async def test_nobody_can_cancel_a_plain_call() -> None:
    assert isinstance(stray(asyncio.CancelledError(), called=True), StrayCancellation)


async def test_groups_are_what_is_in_them() -> None:
    ends = BaseExceptionGroup("", [Gust("x"), BaseExceptionGroup("", [SystemExit(1)])])
    assert isinstance(stray(ends), EndsProcess)
    assert stray(BaseExceptionGroup("", [Gust("x"), GeneratorExit()])) is None
