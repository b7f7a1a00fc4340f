"""Logging by component, with secrets left out.

Loggers are named ``clawmatrix.<component>``. Importing this configures nothing: a program
calls ``configure_logging``, a host that embeds a node has handlers of its own.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, TextIO

from clawmatrix_core.base.bounds import Bound
from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.plain_text import is_seen, json_text
from clawmatrix_core.base.redaction import REDACTING, redact, register_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

__all__ = [
    "LINES",
    "OncePer",
    "RateLimitedLogger",
    "component_logger",
    "configure_logging",
    "log_stack",
    "parse_levels",
    "redact",
    "register_secret",
]

ROOT = "clawmatrix"
ENVIRONMENT = "CLAWMATRIX_LOG"
LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 10,
}
_BY_VERBOSITY = (logging.WARNING, logging.INFO, logging.DEBUG)
_COLOURS = {"D": "\x1b[2m", "I": "\x1b[32m", "W": "\x1b[33m", "E": "\x1b[31m", "C": "\x1b[1;31m"}


def component_logger(base: logging.Logger | None, component: str) -> logging.Logger:
    """Return the logger of a component; a child of the host's own where one is handed in.

    Secrets are left out of its records whichever handlers the host has.
    """
    parent = logging.getLogger(ROOT) if base is None else base
    logger = parent.getChild(component)
    logger.addFilter(REDACTING)
    return logger


def log_stack(logger: logging.Logger, message: str, stack: str) -> None:
    """Log an error with the stack of another thread, which goes below the message line by line."""
    if logger.isEnabledFor(logging.ERROR):
        told = logger.makeRecord(
            logger.name, logging.ERROR, __file__, 0, "%s", (message,), None, sinfo=stack
        )
        logger.handle(told)


def parse_levels(spec: str) -> dict[str, int]:
    """Return levels by component, ``""`` for all others: ``"info,mesh:debug"``.

    Raises: ValueError.
    """
    levels: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in spec.split(","))):
        component, _, level = part.rpartition(":")
        if level.lower() not in LEVELS:
            raise ValueError(f'"{level}" is not one of {", ".join(LEVELS)}')
        levels[component.strip()] = LEVELS[level.lower()]
    return levels


def configure_logging(
    spec: str | None,
    *,
    json: bool,
    stream: TextIO,
    verbosity: int = 0,
    environ: Mapping[str, str] = os.environ,
) -> logging.Handler:
    """Send the log to the stream, in place of whatever an earlier call has set up.

    Args:
        spec: levels, as ``parse_levels`` reads them. ``CLAWMATRIX_LOG`` goes before them.
        json: one JSON object a line, in place of text.
        stream: text on a terminal is coloured, unless ``NO_COLOR`` is set.
        verbosity: how often ``-v`` was given; raises the level of components without a level.
        environ: the environment.

    Raises: ConfigError, where a level specification is wrong.
    """
    levels = {"": logging.WARNING}
    for name, text in (("log", spec), (ENVIRONMENT, environ.get(ENVIRONMENT))):
        try:
            levels |= parse_levels(text or "")
        except ValueError as error:
            raise ConfigError([f"{name}: {error}"]) from None
    if verbosity:
        levels[""] = min(levels[""], _BY_VERBOSITY[min(verbosity, len(_BY_VERBOSITY) - 1)])
    coloured = stream.isatty() and not environ.get("NO_COLOR")
    handler = _Handler(stream, levels)
    handler.setFormatter(_JsonFormatter() if json else _ConsoleFormatter(coloured=coloured))
    handler.install()
    return handler


class _Handler(logging.StreamHandler[TextIO]):
    """The one handler of a program, which knows what it changed."""

    def __init__(self, stream: TextIO, levels: Mapping[str, int]) -> None:
        super().__init__(stream)
        self._levels = levels
        self.addFilter(REDACTING)

    def install(self) -> None:
        """Take the place of an earlier one."""
        root = logging.getLogger(ROOT)
        for earlier in [handler for handler in root.handlers if isinstance(handler, _Handler)]:
            earlier.close()
        for component, level in self._levels.items():
            logging.getLogger(f"{ROOT}.{component}" if component else ROOT).setLevel(level)
        root.addHandler(self)
        root.propagate = False

    def close(self) -> None:
        """Leave the loggers as they were before."""
        root = logging.getLogger(ROOT)
        if self in root.handlers:
            root.removeHandler(self)
            root.propagate = True
            for component in self._levels:
                name = f"{ROOT}.{component}" if component else ROOT
                logging.getLogger(name).setLevel(logging.NOTSET)
        super().close()


def _component(record: logging.LogRecord) -> str:
    return record.name.removeprefix(f"{ROOT}.")


def _printable(text: str) -> str:
    """Return the text on one line: what a peer sent must not draw on a terminal."""
    if is_seen(text):
        return text
    return "".join(char if is_seen(char) else ascii(char)[1:-1] for char in text)


class _ConsoleFormatter(logging.Formatter):
    def __init__(self, *, coloured: bool) -> None:
        super().__init__()
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        letter, component = record.levelname[:1], _component(record)
        if self._coloured:
            letter = f"{_COLOURS.get(letter, '')}{letter}\x1b[0m"
            component = f"\x1b[1m{component}\x1b[0m"
        text = _printable(record.getMessage())
        lines = [f"{clock}.{int(record.msecs):03d} {letter} {component}: {text}"]
        lines += [f"    {_printable(line)}" for line in _trace(record).splitlines()]
        return "\n".join(lines)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "component": _component(record),
            "message": record.getMessage(),
        }
        if trace := _trace(record):
            entry["trace"] = trace
        return json_text(entry)


def _trace(record: logging.LogRecord) -> str:
    # The filter, which comes first, has made the exception into clean text.
    return "\n".join(filter(None, (record.exc_text, record.stack_info)))


KEYS = Bound(
    1024,
    "kinds of log lines that each log counts, to write one of each in a time",
    fed_by="a member",
    when_full="the one that was written longest ago is forgotten",
)


class OncePer:
    """Lets something through once in a time, by key, and counts what it holds back.

    Memory is bounded: with more than ``keys`` of them the oldest is forgotten.
    """

    def __init__(
        self, seconds: float, *, clock: Callable[[], float] = time.monotonic, keys: int = KEYS
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._limit = keys
        self._seen: dict[Hashable, tuple[float, int]] = {}

    def admit(self, key: Hashable) -> int | None:
        """Return how many were held back since the last one; None holds this one back."""
        now = self._clock()
        since, held = self._seen.get(key, (float("-inf"), 0))
        if now - since < self._seconds:
            self._seen[key] = (since, held + 1)
            return None
        self._seen.pop(key, None)
        self._seen[key] = (now, 0)
        if len(self._seen) > self._limit:
            del self._seen[next(iter(self._seen))]
        return held


LINES = Bound(
    60,
    "lines that one part of a node logs in a minute about others",
    fed_by="a stranger",
    when_full="lines are left out, and counted in the next one",
)


class RateLimitedLogger:
    """Logs a message once in a time, by key, with the number of those left out.

    At most ``LINES`` are logged in that time under all keys, since keys may be of others' making.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._gate = OncePer(seconds, clock=clock)
        self._seconds = seconds
        self._clock = clock
        self._since = float("-inf")
        self._lines = self._left_out = 0

    def log(self, level: int, key: Hashable, message: str, *args: object) -> None:
        """Log the message, unless one with this key was logged a short time ago."""
        if not self._logger.isEnabledFor(level) or (held := self._gate.admit(key)) is None:
            return
        if not self._has_room():
            self._left_out += 1
            return
        if held:
            message, args = message + " (%d more since the last one)", (*args, held)
        if self._left_out:
            message, args = message + " (%d others were left out)", (*args, self._left_out)
            self._left_out = 0
        self._logger.log(level, message, *args, stacklevel=2)

    def _has_room(self) -> bool:
        """Count one more line, unless there were enough in this time."""
        now = self._clock()
        if now - self._since >= self._seconds:
            self._since, self._lines = now, 0
        self._lines += 1
        return self._lines <= LINES

    def warning(self, key: Hashable, message: str, *args: object) -> None:
        """Log a warning, unless one with this key was logged a short time ago."""
        self.log(logging.WARNING, key, message, *args)
