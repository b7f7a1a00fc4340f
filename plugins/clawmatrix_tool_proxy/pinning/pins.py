"""The pins of a node: what is new or changed in a list of tools waits for a person."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_core import ClawMatrixError, RateLimitedLogger, StateError
from clawmatrix_tool_proxy.pinning.definitions import definition_of
from clawmatrix_tool_proxy.pinning.owners import Owner
from clawmatrix_tool_proxy.pinning.table import PinsFull, PinTable
from clawmatrix_tool_proxy.pinning.waiting import Waiting, WaitingTable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from clawmatrix_core import JSON, State
    from clawmatrix_tool_proxy.pinning.definitions import Definition
    from clawmatrix_tool_proxy.pinning.waiting import Why

__all__ = ["STATE", "Judged", "NotWaiting", "Pins", "read_pins"]

STATE: Final = "tool-pins"
"""The state file that they are in.

It is not declared to the core: a node whose state file is damaged does not start, and one whose
pins are lost lists nothing before a person has accepted it.
"""


class NotWaiting(ClawMatrixError):
    """What a person accepts does not wait, or is not what that person was shown."""


@attrs.frozen
class Judged:
    """What becomes of a list of tools.

    Attributes:
        accepted: the names that may be listed and called.
        waiting: those that may not before a person has accepted them, and why.
    """

    accepted: frozenset[str]
    waiting: Mapping[str, Why]


class Pins:
    """Definitions of tools by their owners, ``server NAME COMMAND-OR-URL`` or ``node ID KEY``.

    All that is pinned is on the disk before it counts.

    Args:
        state: where they are kept.
        followed: says whether a node of that name came from one key to another, both as text, as
            this node saw it.
        log: told of what waits, and of what cannot be read or written.
    """

    def __init__(
        self, state: State, followed: Callable[[str, str, str], bool], log: logging.Logger
    ) -> None:
        self._state, self._followed = state, followed
        self._log, self._often = log, RateLimitedLogger(log)
        self._waiting = WaitingTable()
        self._callbacks: list[Callable[[str], None]] = []
        self._table = self._read()

    def __repr__(self) -> str:
        return f"<Pins of {len(self._table.owners)} owners>"

    @property
    def table(self) -> PinTable:
        """What is pinned, as it is on the disk."""
        return self._table

    def waiting(self) -> Mapping[str, Mapping[str, Waiting]]:
        """Return what waits, by owner and by name, as far as lists were looked at."""
        return dict(self._waiting)

    def judge(self, owner: str, definitions: Mapping[str, JSON]) -> Judged:
        """Say which tools of an owner may be listed and called.

        The first list of an owner that has any is pinned as it is, on the disk before this
        returns. Of later lists only what is as it was pinned may be listed. A tool that is gone
        stays pinned. Where the disk fails, nothing new may be listed.

        Args:
            owner: whose they are.
            definitions: all that is said of each tool, by its name.
        """
        told = {name: definition_of(definition) for name, definition in definitions.items()}
        if owner not in self._table.owners and told:
            self._meet(owner, {name: one for name, one in told.items() if one is not None})
        pins = self._table.owners.get(owner, {})
        waiting: dict[str, Waiting] = {}
        for name, one in told.items():
            pin = pins.get(name)
            if pin is None:
                waiting[name] = Waiting("added", one)
            elif one is None or pin.digest != one.digest:
                waiting[name] = Waiting("changed", one)
        if self._waiting.put(owner, waiting):
            self._tell_of(owner, len(waiting))
        why: dict[str, Why] = {name: one.why for name, one in waiting.items()}
        return Judged(frozenset(told.keys() - waiting.keys()), why)

    def accept(
        self,
        owner: str,
        names: Collection[str] | None = None,
        *,
        shown: Mapping[str, str] | None = None,
    ) -> frozenset[str]:
        """Pin what waits of an owner as it is now, and return the names.

        Args:
            owner: whose tools these are.
            names: which of them; None is all.
            shown: the digests of the definitions that the person was shown, by name.

        Raises: NotWaiting; PinsFull; StateError, where it cannot be written. Then nothing is
            accepted.
        """
        waiting = self._waiting.get(owner)
        wanted: dict[str, Definition] = {}
        for name in waiting if names is None else names:
            wanted[name] = _definition(name, waiting.get(name), shown)
        if not wanted:
            raise NotWaiting(f"nothing of {Owner.of(owner).label} waits")
        self._write(self._table.with_pins(owner, wanted))
        self._waiting.accepted(owner, wanted)
        self._tell(owner)
        return frozenset(wanted)

    def trust_new_owners(self) -> None:
        """Take the first list of a new owner as it is again, after pins were lost.

        Raises: StateError.
        """
        if self._table.lost:
            self._write(self._table.trusting(lost=False))

    def forget(self, owners: Collection[str]) -> None:
        """Forget the pins of these owners: the next list of each is a first one.

        Raises: StateError.
        """
        if any(owner in self._table.owners for owner in owners):
            self._write(self._table.without(owners))
        for owner in owners:
            self._waiting.drop(owner)
            self._tell(owner)

    def when_changed(self, call: Callable[[str], None]) -> Callable[[], None]:
        """Have something called with each owner whose pins a person changed.

        Returns what ends that.
        """
        self._callbacks.append(call)
        return lambda: self._callbacks.remove(call) if call in self._callbacks else None

    def _meet(self, owner: str, told: Mapping[str, Definition]) -> None:
        """Pin the first list of an owner, or take over the pins of its earlier key."""
        try:
            if (old := self._earlier(owner)) is not None:
                self._write(self._table.moved(old, owner))
            elif not self._table.lost:
                self._write(self._table.with_pins(owner, told))
        except (PinsFull, StateError) as error:
            words = "no tool of %s is listed: %s"
            self._often.log(logging.ERROR, owner, words, Owner.of(owner).label, error)

    def _earlier(self, owner: str) -> str | None:
        """Return the owner that a node was under the key before its present one."""
        new = Owner.of(owner)
        if new.kind != "node":
            return None
        for known in self._table.owners:
            old = Owner.of(known)
            if old.label == new.label and self._followed(new.name, old.rest, new.rest):
                return known
        return None

    def _tell_of(self, owner: str, count: int) -> None:
        told = Owner.of(owner)
        words = "%d of the tools of %s are new or changed, and wait: `clawmatrix tools accept %s`"
        self._often.log(logging.WARNING, owner, words, count, told.label, told.name)

    def _tell(self, owner: str) -> None:
        for call in tuple(self._callbacks):
            call(owner)

    def _write(self, table: PinTable) -> None:
        self._state.write(STATE, table)
        self._table = table

    def _read(self) -> PinTable:
        try:
            return read_pins(self._state)
        except StateError as error:
            table = PinTable(lost=True)
            self._log.error("the pins of tools are lost, and all tools of others wait: %s", error)
        if (aside := _keep_aside(Path(self._state.locate(STATE)))) is not None:
            self._log.error("the damaged file is kept as %s", aside)
        try:
            self._write(table)
        except StateError as error:
            self._log.error("that the pins of tools are lost is not written down: %s", error)
        return table


def read_pins(state: State) -> PinTable:
    """Return what is pinned. Raises: StateError, where what is stored cannot be used."""
    stored = state.read(STATE)
    try:
        return PinTable.read(stored)
    except ValueError as error:
        raise StateError(f"{state.locate(STATE)} is damaged: {error}") from None


def _definition(name: str, waiting: Waiting | None, shown: Mapping[str, str] | None) -> Definition:
    """Return the definition that a person accepts. Raises: NotWaiting."""
    if waiting is None:
        raise NotWaiting(f"{name} does not wait")
    if waiting.definition is None:
        raise NotWaiting(f"the definition of {name} is not kept here, so nobody can accept it")
    if shown is not None and shown.get(name) != waiting.definition.digest:
        raise NotWaiting(f"{name} has changed again since it was shown")
    return waiting.definition


def _keep_aside(path: Path) -> Path | None:
    """Keep a file that cannot be used under another name too; return that.

    It stays where it is until it is written anew: a file that is missing would look like that of
    a node that never had pins.
    """
    aside = path.with_name(f"{path.name}.damaged")
    try:
        aside.unlink(missing_ok=True)
        aside.hardlink_to(path)
    except OSError:
        return None
    return aside
