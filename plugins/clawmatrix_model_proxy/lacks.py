"""What upstreams lack: an endpoint beside answers, or a setting of requests. Pure state.

One refusal may be a mistake, so it takes two alike. What is known is forgotten after a while, since
servers are brought up to date. The clock is passed in.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import cache
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from clawmatrix_core import JSON
    from clawmatrix_model_proxy.error_text import ErrorText

__all__ = ["LACKS", "REMEMBERED_FOR", "Lacks", "is_not_served", "unknown_setting"]

LACKS = Bound(
    1024,
    "endpoints and settings that upstreams refused, which are remembered",
    fed_by="an upstream or a member",
    when_full="what was refused longest ago is forgotten",
)
_NOT_SERVED = frozenset({404, 405, 501})
"""Statuses of servers that do not have an endpoint."""
REMEMBERED_FOR = 600.0
"""Seconds for which it is remembered that an upstream lacks something."""
_ALIKE = 2
"""Refusals that it takes."""
_NAME = r"['\"`]?([A-Za-z_][\w.\[\]-]{0,99})"
_MARKS = ("unknown", "unrecognized", "unsupported", "unexpected", "extra inputs", " not ")
"""One of them is in all of these sentences. They are quick to look for, which spares the rest."""
_CODES = frozenset(
    {
        "extra_forbidden",
        "unknown_field",
        "unknown_parameter",
        "unrecognized_parameter",
        "unsupported_parameter",
        "unsupported_value",
    }
)
_STATUSES = frozenset({400, 422})
_NO_ENDPOINT = re.compile(
    r"(?:unknown|invalid|unsupported|unexpected|unrecognized|no such)"
    r" (?:request )?(?:url|path|endpoint|route|uri)\b|cannot post ",
    re.IGNORECASE,
)
"""What OpenAI, Groq, LM Studio and frameworks say of an endpoint that they do not have."""

Who = TypeVar("Who", bound="Hashable")


@cache
def _unknown() -> re.Pattern[str]:
    """Return what servers say of a setting; it takes 1 ms to make, and few nodes get such an error.

    These are the words of OpenAI, Azure, Anthropic, Groq, Gemini, pydantic and JSON Schema.
    """
    return re.compile(
        rf"unrecognized request arguments? supplied: {_NAME}"
        rf"|(?:unknown|unsupported|unrecognized|unexpected)(?: keyword| request)?"
        rf" (?:parameter|argument|field|property|name|value)s?:? {_NAME}"
        rf"|{_NAME}['\"`]?: extra inputs are not permitted"
        rf"|(?:parameter|argument|field|property|option)s? {_NAME}['\"`]?"
        r" (?:is|are) (?:not supported|unsupported|not recognized|unknown|not allowed"
        r"|not permitted)"
        rf"|\({_NAME}['\"`]? (?:was|were) unexpected\)",
        re.IGNORECASE,
    )


class _Refused(msgspec.Struct):
    """What was refused: how often, the clock's time of the last, and why."""

    times: int
    at: float
    why: str


class Lacks(Generic[Who]):
    """Remembers what was refused by whom. It is false while nothing was."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._by_who: dict[Who, dict[str, _Refused]] = {}
        self._order: OrderedDict[tuple[Who, str], None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Lacks {len(self._order)} refused>"

    def __bool__(self) -> bool:
        return bool(self._order)

    def refused(self, who: Who, what: str, why: str, *, sure: bool = False) -> None:
        """Note a refusal; ``sure`` where somebody else has seen it twice."""
        found = self._find(who, what)
        times = _ALIKE if sure else 1
        if found is not None:
            times = max(times, found.times + 1)
        self._by_who.setdefault(who, {})[what] = _Refused(times, self._now(), why)
        self._order[who, what] = None
        self._order.move_to_end((who, what))
        while len(self._order) > LACKS:
            self.served(*next(iter(self._order)))

    def served(self, who: Who, what: str) -> None:
        """Note that it is there after all."""
        if (who, what) in self._order:
            del self._order[who, what], self._by_who[who][what]
            if not self._by_who[who]:
                del self._by_who[who]

    def lacks(self, who: Who, what: str) -> bool:
        """Say whether it is not worth asking for."""
        found = self._find(who, what)
        return found is not None and found.times >= _ALIKE

    def of(self, who: Who) -> list[str]:
        """Return all that somebody lacks."""
        known = self._by_who.get(who)
        return [] if known is None else [what for what in sorted(known) if self.lacks(who, what)]

    def describe(self, who: Who) -> list[dict[str, JSON]]:
        """Return what ``clawmatrix models -v`` shows of that."""
        told: list[dict[str, JSON]] = []
        for what in self.of(who):
            one = self._by_who[who][what]
            left = one.at + REMEMBERED_FOR - self._now()
            told.append({"what": what, "why": one.why, "forMs": round(left * 1000)})
        return told

    def _find(self, who: Who, what: str) -> _Refused | None:
        found = self._by_who.get(who, {}).get(what)
        if found is not None and self._now() - found.at >= REMEMBERED_FOR:
            self.served(who, what)
            return None
        return found


def is_not_served(status: int, said: ErrorText) -> bool:
    """Say whether an error means that an upstream does not have an endpoint at all."""
    if status in _NOT_SERVED:
        return True
    return 400 <= status < 500 and any(map(_NO_ENDPOINT.search, said.messages))


def unknown_setting(status: int, said: ErrorText) -> str | None:
    """Return the setting of a request that an upstream says it does not know; None without."""
    if status not in _STATUSES:
        return None
    if said.param is not None and not _CODES.isdisjoint(said.codes):
        return said.param
    for message in said.messages:
        if not any(mark in message.lower() for mark in _MARKS):
            continue
        if (match := _unknown().search(message)) is not None:
            return next(name for name in match.groups() if name).rstrip(".")
    return None
