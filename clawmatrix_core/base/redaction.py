"""Secrets taken out of text, and out of log records."""

from __future__ import annotations

import json
import logging
import re
import traceback
from threading import Lock
from urllib.parse import quote

__all__ = [
    "REDACTING",
    "SECRET_AT_LEAST",
    "RedactingFilter",
    "redact",
    "register_secret",
    "shown_address",
]

SECRET_AT_LEAST = 8
"""Characters a registered secret has at least; shorter ones are words of the language."""

_HIDDEN = "***"
_OBVIOUS = (
    (re.compile(r"(?i)\b(bearer\s+)(?=[^\s\"',;]*\d)[^\s\"',;]{8,}"), r"\1***"),
    (re.compile(r"(?i)(\bauthorization[\"']?\s*[:=]\s*[\"']?basic\s+)[^\s\"',;]+"), r"\1***"),
    (re.compile(r"(?i)(\b(?:x-api-key|api[_-]?key)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&]+"), r"\1***"),
    (
        re.compile(
            r"(?i)([?&#](?:[\w.-]*(?:token|key|secret|passw(?:or)?d|signature|credentials?)"
            r"|pwd|pass|auth|sig|code|session|jwt)=)[^\s\"'&#]+"
        ),
        r"\1***",
    ),
    # A password as far as an address has one, with every @ in it; one with a slash, a question
    # mark or a hash, which is no port; and a name alone, which may be a token.
    (re.compile(r"(://[^\s/:@?#\"']{0,256}:)[^\s/?#\"']{1,200}(?=@)"), r"\1***"),
    (
        re.compile(
            r"(://[^\s/:@?#\"']{0,256}:)(?!\d{1,5}[/?#\"'])(?!\*\*\*@)[^\s@\"']{1,200}(?=@)"
        ),
        r"\1***",
    ),
    (re.compile(r"(://)[^\s/:@?#\"']{1,256}(?=@)"), r"\1***"),
    (re.compile(r"\bsk-[A-Za-z0-9_-]{16,}"), _HIDDEN),
    (re.compile(r"\bcmi_[A-Za-z0-9_-]{16,}"), _HIDDEN),
)


# Something that each of these needs; most texts have none of it, and are done with.
_OF_THE_OBVIOUS = re.compile("(?i)bearer|authorization|api[_-]?key|[?&#]|://|sk-|cmi_")

_SCHEME = re.compile(r"[^\s/?#@:]*://")


class _Registry:
    def __init__(self) -> None:
        self._lock = Lock()
        self._forms: set[str] = set()
        self.pattern: re.Pattern[str] | None = None

    def add(self, value: str) -> None:
        forms = {value, repr(value)[1:-1], json.dumps(value)[1:-1], quote(value, safe="")}
        with self._lock:
            if forms <= self._forms:
                return
            self._forms |= forms
            longest_first = sorted(self._forms, key=len, reverse=True)
            self.pattern = re.compile("|".join(map(re.escape, longest_first)))


_registry = _Registry()


def register_secret(value: str) -> None:
    """Leave the value out of every record from now on, for the life of the process.

    A value of fewer than ``SECRET_AT_LEAST`` characters is ignored: hiding it would make
    ordinary words unreadable.
    """
    if len(value) >= SECRET_AT_LEAST:
        _registry.add(value)


def redact(text: str) -> str:
    """Return the text without registered secrets, and without what plainly is one."""
    if _registry.pattern is not None:
        text = _registry.pattern.sub(_HIDDEN, text)
    if _OF_THE_OBVIOUS.search(text) is None:
        return text
    for pattern, replacement in _OBVIOUS:
        text = pattern.sub(replacement, text)
    return text


def shown_address(address: str) -> str:
    """Return an address without what may be secret in it: user, password, query and fragment.

    Where the parts end is read the careful way: everything before the last ``@`` is taken for
    user and password, whatever is in it.
    """
    found = _SCHEME.match(address)
    scheme = found[0] if found is not None else ""
    before, at, rest = address[len(scheme) :].rpartition("@")
    place = re.split("[?#]", rest, maxsplit=1)[0]
    user = f"{_HIDDEN}@" if before else at
    more = f"{rest[len(place)]}{_HIDDEN}" if len(rest) > len(place) else ""
    return redact(f"{scheme}{user}{place}{more}")


class RedactingFilter(logging.Filter):
    """Takes secrets out of a record: its message, its exception, its stack.

    The record is changed in place, so that every handler behind sees the clean one.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record; always True."""
        try:
            record.msg, record.args = redact(record.getMessage()), None
        except Exception as error:  # noqa: BLE001 - a bad log call must not end its caller
            record.msg = redact(f"a log message cannot be formatted: {error!r}")
            record.args = None
        if record.exc_info and record.exc_info[1] is not None and not record.exc_text:
            text = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
            record.exc_text = redact(text)
        elif record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        return True


REDACTING = RedactingFilter()
"""The one instance: a logger keeps a filter once, however often it is added."""
