"""Tests of logging by component."""

from __future__ import annotations

import io
import json
import logging
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.log import (
    OncePer,
    RateLimitedLogger,
    component_logger,
    configure_logging,
    log_stack,
    parse_levels,
    register_secret,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def configure() -> Iterator[Callable[..., io.StringIO]]:
    """Configure the log with a stream of its own, and undo it."""
    handlers: list[logging.Handler] = []

    def call(
        spec: str | None = None,
        *,
        json: bool = False,
        stream: io.StringIO | None = None,
        verbosity: int = 0,
        **environ: str,
    ) -> io.StringIO:
        stream = stream or io.StringIO()
        handlers.append(
            configure_logging(spec, json=json, stream=stream, verbosity=verbosity, environ=environ)
        )
        return stream

    yield call
    for handler in handlers:
        handler.close()


def say_all(*components: str) -> None:
    for component in components:
        logger = component_logger(None, component)
        for level in ("debug", "info", "warning", "error"):
            getattr(logger, level)("%s", level)


def said(stream: io.StringIO) -> list[str]:
    return [line.split(" ", 3)[3] for line in stream.getvalue().splitlines()]


def test_levels_are_read_by_component() -> None:
    assert parse_levels("info, mesh:DEBUG,model-proxy:off") == {
        "": logging.INFO,
        "mesh": logging.DEBUG,
        "model-proxy": logging.CRITICAL + 10,
    }
    assert parse_levels("") == {}


@pytest.mark.parametrize("spec", ["loud", "mesh:", "mesh", "mesh:5"])
def test_a_level_that_does_not_exist_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match="is not one of debug, info"):
        parse_levels(spec)


def test_it_is_quiet_unless_told(configure: Callable[..., io.StringIO]) -> None:
    stream = configure()
    say_all("mesh")
    assert said(stream) == ["mesh: warning", "mesh: error"]


def test_a_component_can_have_a_level_of_its_own(configure: Callable[..., io.StringIO]) -> None:
    stream = configure("error,mesh:info")
    say_all("mesh", "relay")
    assert said(stream) == ["mesh: info", "mesh: warning", "mesh: error", "relay: error"]


def test_the_environment_goes_before_the_file(configure: Callable[..., io.StringIO]) -> None:
    stream = configure("debug,relay:off", CLAWMATRIX_LOG="error")
    say_all("mesh", "relay")
    assert said(stream) == ["mesh: error"]


@pytest.mark.parametrize(("verbosity", "lines"), [(0, 2), (1, 3), (2, 4), (9, 4)])
def test_verbosity_says_more(
    configure: Callable[..., io.StringIO], verbosity: int, lines: int
) -> None:
    stream = configure(verbosity=verbosity)
    say_all("mesh")
    assert len(said(stream)) == lines


@pytest.mark.parametrize(
    ("spec", "environ", "name"),
    [("x", {}, "log"), (None, {"CLAWMATRIX_LOG": "x"}, "CLAWMATRIX_LOG")],
)
def test_a_wrong_specification_is_named(
    configure: Callable[..., io.StringIO], spec: str | None, environ: dict[str, str], name: str
) -> None:
    with pytest.raises(ConfigError, match=f'^{name}: "x" is not one of'):
        configure(spec, **environ)


def test_a_second_call_takes_the_place_of_the_first(configure: Callable[..., io.StringIO]) -> None:
    first = configure("info,mesh:debug")
    second = configure("warning")
    say_all("mesh")
    assert first.getvalue() == ""
    assert said(second) == ["mesh: warning", "mesh: error"]


def test_closing_leaves_the_loggers_as_they_were(configure: Callable[..., io.StringIO]) -> None:
    root = logging.getLogger("clawmatrix")
    before = list(root.handlers)
    configure("mesh:debug")
    [added] = [handler for handler in root.handlers if handler not in before]
    added.close()
    assert root.handlers == before
    assert root.propagate
    assert root.level == logging.getLogger("clawmatrix.mesh").level == logging.NOTSET


def test_a_line_has_time_level_component_and_message(
    configure: Callable[..., io.StringIO],
) -> None:
    stream = configure()
    component_logger(None, "mesh").warning("the link to %s is gone", "office")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} W mesh: the link to office is gone\n",
        stream.getvalue(),
    )


def test_an_exception_is_shown_behind_its_line(configure: Callable[..., io.StringIO]) -> None:
    stream = configure()
    try:
        raise ValueError("wrong")
    except ValueError:
        component_logger(None, "mesh").exception("it failed", stack_info=True)
    lines = stream.getvalue().splitlines()
    assert lines[0].endswith("E mesh: it failed")
    assert "    ValueError: wrong" in lines
    assert any("Stack (most recent call last)" in line for line in lines)
    assert all(line.startswith("    ") for line in lines[1:])


def test_what_a_peer_sent_cannot_draw_on_the_terminal(
    configure: Callable[..., io.StringIO],
) -> None:
    stream = configure()
    component_logger(None, "mesh").warning("%s", "a\nb\x1b[2J\x9b\u2028\u202e\x7fc")
    assert stream.getvalue().endswith("mesh: a\\nb\\x1b[2J\\x9b\\u2028\\u202e\\x7fc\n")


def test_a_log_in_json_draws_nothing_either(configure: Callable[..., io.StringIO]) -> None:
    stream = configure(json=True)
    component_logger(None, "mesh").warning("%s", "\x9b\u2028\u202e\x7f")
    line = stream.getvalue().removesuffix("\n")
    assert line.isprintable()
    assert json.loads(line)["message"] == "\x9b\u2028\u202e\x7f"


def test_colour_is_for_terminals_only(configure: Callable[..., io.StringIO]) -> None:
    coloured = configure(stream=Terminal())
    say_all("mesh")
    assert "\x1b[33mW\x1b[0m" in coloured.getvalue()
    plain = configure(stream=Terminal(), NO_COLOR="1")
    say_all("mesh")
    assert "\x1b" not in plain.getvalue()


def test_json_is_one_object_a_line(configure: Callable[..., io.StringIO]) -> None:
    stream = configure(json=True)
    component_logger(None, "mesh").warning("two\nlines %s", "é")
    try:
        raise ValueError("wrong")
    except ValueError:
        component_logger(None, "mesh").exception("it failed")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {"level": "warning", "component": "mesh", "message": "two\nlines é"}
    assert second["trace"].endswith("ValueError: wrong")


@pytest.mark.parametrize("as_json", [True, False])
def test_secrets_are_in_no_log(configure: Callable[..., io.StringIO], as_json: bool) -> None:
    register_secret("the-secret-of-the-mesh")
    stream = configure(json=as_json)
    try:
        raise ValueError("the-secret-of-the-mesh")
    except ValueError:
        logging.getLogger("clawmatrix.any").exception("%s", "the-secret-of-the-mesh")
    assert "the-secret-of-the-mesh" not in stream.getvalue()
    assert stream.getvalue().count("***") == 3


def test_a_host_that_hands_in_its_logger_gets_clean_records_on_it() -> None:
    register_secret("the-secret-of-the-host")
    seen: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record)

    host = logging.getLogger("test host")
    handler = Handler()
    host.addHandler(handler)
    try:
        component_logger(host, "mesh").error("%s", "the-secret-of-the-host")
        component_logger(host, "mesh").error("plain")
    finally:
        host.removeHandler(handler)
    assert [(record.name, record.getMessage()) for record in seen] == [
        ("test host.mesh", "***"),
        ("test host.mesh", "plain"),
    ]


def test_importing_configures_nothing() -> None:
    code = (
        "import logging, clawmatrix_core.base.log; root = logging.getLogger('clawmatrix');"
        "assert not root.handlers and not logging.root.handlers and root.level == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_something_passes_once_in_a_time_and_the_rest_is_counted() -> None:
    clock = Clock()
    gate = OncePer(60, clock=clock)
    assert [gate.admit("a") for _ in range(3)] == [0, None, None]
    assert gate.admit("b") == 0
    clock.now += 60
    assert gate.admit("a") == 2
    assert gate.admit("a") is None
    clock.now += 60
    assert gate.admit("a") == 1


def test_keys_that_strangers_choose_do_not_fill_the_memory() -> None:
    gate = OncePer(60, clock=Clock(), keys=2)
    assert [gate.admit(key) for key in "abcb"] == [0, 0, 0, None]
    assert gate.admit("a") == 0


def test_a_repeated_message_is_logged_once_with_the_number_left_out(
    configure: Callable[..., io.StringIO],
) -> None:
    stream, clock = configure(), Clock()
    limited = RateLimitedLogger(component_logger(None, "mesh"), seconds=60, clock=clock)
    for _ in range(13):
        limited.warning("office", "%s was refused", "office")
    clock.now += 61
    limited.warning("office", "%s was refused", "office")
    limited.log(logging.DEBUG, "office", "not wanted")
    assert said(stream) == [
        "mesh: office was refused",
        "mesh: office was refused (12 more since the last one)",
    ]


def test_a_stack_of_another_thread_has_a_line_for_each_frame(
    configure: Callable[..., io.StringIO],
) -> None:
    stream = configure()
    log_stack(component_logger(None, "core"), "slow blocks the loop", 'File "a.py"\n  sleep()\n')
    first, *rest = stream.getvalue().splitlines()
    assert first.endswith("E core: slow blocks the loop")
    assert rest == ['    File "a.py"', "      sleep()"]
