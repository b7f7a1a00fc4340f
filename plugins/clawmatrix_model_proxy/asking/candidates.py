"""The candidates of one request, and which is asked next. Pure: faults in, the next step out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clawmatrix_model_proxy.asking.failover import Action, Rule, rule_for

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from clawmatrix_model_proxy.asking.health import Target
    from clawmatrix_model_proxy.faults import AttemptFault, FaultKind

__all__ = ["PATIENCE", "Candidates", "Step", "Tried"]

PATIENCE = 5.0
"""Seconds that a candidate is waited for, because it asked to be, while there is another one."""
_PAUSE = 0.5
_LONGEST_PAUSE = 8.0
_IN_WORDS: tuple[FaultKind, ...] = ("status", "lacks")
"""The kinds of fault that an upstream puts into words, those first that say more."""


class Step(msgspec.Struct, frozen=True):
    """Ask this target, after a wait in seconds. ``last`` where no other candidate is left."""

    target: Target
    wait: float
    last: bool


class Tried(msgspec.Struct, frozen=True):
    """An attempt that failed."""

    target: Target
    fault: AttemptFault


class Candidates:
    """Says which candidate to ask next, until one has answered or none is left.

    Attributes:
        tried: what failed so far, in order.
    """

    def __init__(
        self, targets: Sequence[Target], *, deadline: float, random_source: random.Random
    ) -> None:
        """Put targets in order; ``deadline`` is the clock's time at which to give up."""
        self.tried: list[Tried] = []
        self._targets = tuple(targets)
        self._deadline = deadline
        self._random = random_source
        self._at = 0
        self._retries = 0
        self._wait = 0.0
        self._ended = not targets

    def __repr__(self) -> str:
        state = "ended" if self._ended else f"at {self._at} of {len(self._targets)}"
        return f"<Candidates {state}, {len(self.tried)} tried>"

    def step(self) -> Step | None:
        """Return what to do next; None where nothing is left to try."""
        if self._ended:
            return None
        return Step(self._targets[self._at], self._wait, self._at + 1 == len(self._targets))

    def failed(self, fault: AttemptFault, now: float) -> None:
        """Note that the step failed, and decide about the next one."""
        self.tried.append(Tried(self._targets[self._at], fault))
        rule = rule_for(fault)
        if self._retries < _retries(rule, fault):
            self._try_again(fault, now)
        elif rule.action is Action.END:
            self._ended = True
        else:
            self._move_on()
        if now >= self._deadline:
            self._ended = True  # nobody else is to blame for the time that is over

    def end(self) -> None:
        """Try nothing more."""
        self._ended = True

    def _try_again(self, fault: AttemptFault, now: float) -> None:
        wait = self._pause() if fault.wait is None else fault.wait
        others = self._at + 1 < len(self._targets)
        if now + wait >= self._deadline or (others and wait > PATIENCE):
            self._move_on()
        else:
            self._retries += 1
            self._wait = wait

    def _pause(self) -> float:
        longest = min(_LONGEST_PAUSE, _PAUSE * 2.0**self._retries)
        return self._random.uniform(longest / 2, longest)

    def _move_on(self) -> None:
        self._at += 1
        self._retries = 0
        self._wait = 0.0
        self._ended = self._at >= len(self._targets)

    def final_failure(self) -> Tried:
        """Return the failure to report: the first that an upstream put into words, else the first.

        Called only where something was tried.
        """
        said = [one for kind in _IN_WORDS for one in self.tried if one.fault.kind == kind]
        return said[0] if said else self.tried[0]


def _retries(rule: Rule, fault: AttemptFault) -> int:
    """Return how often a candidate is asked again: ``x-should-retry`` goes before the table.

    But for what is wrong with the prompt, which another try does not mend.
    """
    if fault.again is None or rule.codes or fault.kind == "lacks":
        return rule.retries
    return max(rule.retries, 1) if fault.again else 0
