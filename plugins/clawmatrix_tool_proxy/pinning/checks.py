"""What the doctor says of pins: whether their file can be read, and which tools wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Check, Finding, StateError
from clawmatrix_core.spi import StateView
from clawmatrix_tool_proxy.pinning.owners import Owner
from clawmatrix_tool_proxy.pinning.pins import read_pins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clawmatrix_core import Config
    from clawmatrix_tool_proxy.pinning.pins import Pins
    from clawmatrix_tool_proxy.pinning.table import PinTable

__all__ = ["pins_check"]

NAME = "tool-proxy.pins"


def pins_check(config: Config, running: Callable[[], Pins] | None) -> Check:
    """Return what looks at pins: at those of a node that runs, or in the state of one at rest."""

    async def look() -> Sequence[Finding]:
        if running is not None:
            pins = running()
            return [*_of_table(pins.table), *_waiting(pins)]
        try:
            table = read_pins(StateView(config.state_dir))
        except StateError as error:
            advice = "at the next start all tools of mounted servers and other nodes wait"
            return [Finding(NAME, "problem", str(error), advice)]
        return list(_of_table(table))

    return Check(NAME, look)


def _of_table(table: PinTable) -> Iterator[Finding]:
    if table.lost:
        words = "the pins of tools were lost: tools of other nodes and mounted servers wait"
        yield Finding(NAME, "problem", words, "see them, and accept: clawmatrix tools accept --all")
    elif table.owners:
        count = sum(map(len, table.owners.values()))
        words = f"{count} tools of {len(table.owners)} servers and nodes are pinned"
        yield Finding(NAME, "ok", words)


def _waiting(pins: Pins) -> Iterator[Finding]:
    for owner, waiting in sorted(pins.waiting().items()):
        told = Owner.of(owner)
        names = ", ".join(sorted(waiting)[:10]) + ("" if len(waiting) <= 10 else ", ...")
        words = f"new or changed tools of {told.label} wait: {names}"
        yield Finding(NAME, "warning", words, f"look at them: clawmatrix tools accept {told.name}")
