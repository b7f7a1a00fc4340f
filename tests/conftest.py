"""Fixtures for all tests."""

from __future__ import annotations

import gc
import signal
import sys
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A busy machine is no failure: how long an example takes says nothing here.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

pytest_plugins = ["clawmatrix_core.testing"]


Backend = tuple[str, dict[str, Any]]
ASYNCIO: Backend = ("asyncio", {"use_uvloop": False})
TRIO: Backend = ("trio", {})
LOOPS = ("smoke", "trio", "both")


@pytest.fixture(params=[pytest.param(ASYNCIO, id="asyncio"), pytest.param(TRIO, id="trio")])
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run an async test on asyncio and on trio; ``--loops`` chooses, see tests/README.md."""
    return request.param


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that chooses event loops."""
    words = "smoke: asyncio, and trio for what is marked both_loops; trio: only trio; both"
    parser.addoption("--loops", choices=LOOPS, default="smoke", help=words)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests on the event loops that were not asked for."""
    loops = config.getoption("--loops")
    left_out = [item for item in items if not _runs(item, loops)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _runs(item, loops)]


def pytest_collection_finish() -> None:
    """Leave the tests themselves to no garbage collection.

    They are so many objects that one look at all of them takes up to a second, in which the
    event loop of a test stands still, and a watchdog says so.
    """
    gc.collect()
    gc.freeze()


def _runs(item: pytest.Item, loops: str) -> bool:
    callspec = getattr(item, "callspec", None)
    is_trio = callspec is not None and callspec.params.get("anyio_backend") == TRIO
    if loops == "smoke":
        return not is_trio or item.get_closest_marker("both_loops") is not None
    return is_trio or loops == "both"


def pytest_configure() -> None:
    """Prepare the process that the tests run in."""
    hear_interrupts()
    remember_what_is_installed()


def remember_what_is_installed() -> None:
    """Look at the metadata of all packages once, and not for each of thousands of nodes.

    A test that installs something adds a folder to import from, and is told what is there then.
    """
    path = list(sys.path)

    def remembered(usual: Callable[..., Any]) -> Callable[..., Any]:
        known = cache(usual)
        return lambda *which: known(*which) if sys.path == path else usual(*which)

    some, every_one = metadata.entry_points, remembered(metadata.entry_points)
    patch = pytest.MonkeyPatch()  # for as long as the process lives
    patch.setattr(metadata, "distribution", remembered(metadata.distribution))
    patch.setattr(metadata, "entry_points", lambda **of: some(**of) if of else every_one())


def hear_interrupts() -> None:
    """Hear interrupts, also where the tests run in the background of a shell, which ignores them.

    Child processes would inherit that, and those that are to be interrupted never end.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """End with the tests that were run again, and why: each is a bug, though it passed then."""
    yield
    reruns = terminalreporter.stats.get("rerun", ())
    if reruns:
        terminalreporter.section(f"RUN AGAIN: {len(reruns)}", red=True, bold=True)
        for report in reruns:
            terminalreporter.line(report.nodeid, red=True)
            terminalreporter.line(report.longreprtext)
        for nodeid in dict.fromkeys(report.nodeid for report in reruns):
            terminalreporter.line(f"run again: {nodeid}", red=True)
