"""The book of a simulation's traffic, and what must be so in it."""

from __future__ import annotations

import math
from collections import Counter

import attrs

__all__ = ["Ledger", "Stream"]

AS_PLANNED = {"echo": "whole", "pour": "whole", "leave": "left", "fail": "as asked"}

EXCUSES = frozenset(
    {
        "DeadlineExceeded",
        "ExchangeCancelled",
        "PeerLost",
        "Undeliverable",
        "cancelled",
        "stopping",
    }
)
"""How streams may end otherwise where a node or a path was lost; codes are of failures."""


@attrs.define(eq=False)
class Stream:
    """One exchange, as the scenario that opened it saw it end.

    Attributes:
        plan: what was to happen.
        began, ended: when, on the virtual clock.
        read: items that came back.
        left: whether it was left on purpose.
        denied: whether an error said that the far side cannot have begun.
        calm: whether nothing stood in its way when it began.
        storms: how many there had been by then.
    """

    source: str
    target: str
    plan: str
    items: int
    deadline: float | None = None
    id: str = ""
    began: float = 0.0
    ended: float = math.nan
    endings: list[str] = attrs.field(factory=list)
    read: int = 0
    left: bool = False
    denied: bool = False
    calm: bool = False
    storms: int = 0

    @property
    def ending(self) -> str:
        """How it ended, in a word."""
        return "+".join(self.endings) or "never"


@attrs.define(eq=False)
class Ledger:
    """What all nodes of a mesh saw of the traffic, in all their runs.

    Attributes:
        streams: what was opened.
        begun: how often a handler was started, by the exchange's id.
        ended: how often one ended.
        served: how handlers ended.
        wrong: what must not have happened.
        visits: with which ttl a relay saw one and the same message, by relay and message. A
            copy that the network made has that of the first one.
        unreached: nodes that cannot be reached at the moment, which streams may say.
        calm: whether nothing stands in the way of streams to others, from a moment on at which
            all was well. ``storm`` ends it.
        storms: how often something came that may end streams.
        unexcused: how many streams had to end as planned.
    """

    streams: list[Stream] = attrs.field(factory=list)
    begun: Counter[str] = attrs.field(factory=Counter)
    ended: Counter[str] = attrs.field(factory=Counter)
    served: Counter[str] = attrs.field(factory=Counter)
    wrong: list[str] = attrs.field(factory=list)
    visits: dict[tuple[str, bytes], set[int]] = attrs.field(factory=dict)
    unreached: frozenset[str] = frozenset()
    calm: bool = False
    storms: int = 0
    unexcused: int = 0

    @property
    def endings(self) -> Counter[str]:
        """How many streams ended which way."""
        return Counter(stream.ending for stream in self.streams)

    @property
    def most_visits(self) -> int:
        """How often one message came by one relay, at most."""
        return max(map(len, self.visits.values()), default=0)

    def storm(self) -> None:
        """Note that something comes that may end streams."""
        self.calm = False
        self.storms += 1

    def begin(self, stream: Stream, now: float) -> None:
        """Enter a stream that is about to be opened."""
        stream.began, stream.storms = now, self.storms
        stream.calm = self.calm and not {stream.source, stream.target} & self.unreached
        self.streams.append(stream)

    def end(self, stream: Stream, now: float) -> None:
        """Note that a stream has ended, and judge how."""
        stream.ended = now
        if len(stream.endings) != 1:
            self.wrong.append(f"{stream} ended {len(stream.endings)} times")
            return
        self._judge(stream, stream.endings[0])

    def _judge(self, stream: Stream, ending: str) -> None:
        planned, calm = AS_PLANNED[stream.plan], stream.calm and stream.storms == self.storms
        self.unexcused += calm
        if ending == planned:
            if ending == "whole" and stream.read != stream.items:
                self.wrong.append(f"{stream}: ended whole, but is not")
        elif ending not in EXCUSES:
            self.wrong.append(f"{stream}: ended in a way that nothing excuses")
        elif ending == "DeadlineExceeded":
            self._judge_late(stream)
        elif calm:
            self.wrong.append(f"{stream}: lost, though the network lost nothing for good")

    def _judge_late(self, stream: Stream) -> None:
        spent = stream.ended - stream.began
        if stream.deadline is None or spent < stream.deadline - 1e-6:
            self.wrong.append(f"{stream}: late after {spent:g} s")

    def turn_page(self) -> list[str]:
        """Return what ``close`` returns, and forget all traffic so far; none is under way."""
        wrong = self.close()
        for book in (self.streams, self.begun, self.ended, self.served, self.wrong, self.visits):
            book.clear()
        return wrong

    def close(self) -> list[str]:
        """Return all that must not have happened; nothing is under way any more."""
        wrong = list(self.wrong)
        wrong += [f"{s}: never ended" for s in self.streams if math.isnan(s.ended)]
        wrong += [f"{id_} was begun {n} times" for id_, n in self.begun.items() if n != 1]
        wrong += [f"the handler of {id_} did not end" for id_ in self.begun - self.ended]
        wrong += [
            f"{s}: said not to have begun, but has"
            for s in self.streams
            if s.denied and self.begun[s.id]
        ]
        allowed = EXCUSES | {"whole", *AS_PLANNED.values()}
        wrong += [f"a handler ended in {way}" for way in self.served if way not in allowed]
        return wrong
