"""What ``clawmatrix tools pins``, ``accept`` and ``unpin`` ask the running node for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import ControlMethod, ExchangeFailure, StateError
from clawmatrix_tool_proxy.pinning.owners import Owner
from clawmatrix_tool_proxy.pinning.pins import NotWaiting
from clawmatrix_tool_proxy.pinning.table import PinsFull

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.pinning.pins import Pins
    from clawmatrix_tool_proxy.pinning.waiting import Waiting

__all__ = ["PinMethods", "waiting_told"]


class PinMethods:
    """The methods of a node; ``pins`` returns its pins."""

    def __init__(self, pins: Callable[[], Pins]) -> None:
        self._pins = pins

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [
            ControlMethod("tools.pins", call=self.pinned),
            ControlMethod("tools.waiting", stream=self.waiting),
            ControlMethod("tools.accept", call=self.accept),
            ControlMethod("tools.unpin", call=self.unpin),
        ]

    async def pinned(self, params: dict[str, JSON]) -> JSON:
        """Return what is pinned, and what waits."""
        pins = self._pins()
        waiting = pins.waiting()
        owners = {**pins.table.owners, **waiting}
        return {
            "lost": pins.table.lost,
            "owners": [_told(pins, owner, waiting.get(owner, {})) for owner in sorted(owners)],
        }

    async def waiting(self, params: dict[str, JSON]) -> AsyncIterator[JSON]:
        """Yield what waits: of the owner ``name``, or of all."""
        pins, name = self._pins(), params.get("name")
        for owner, waiting in sorted(pins.waiting().items()):
            told, pinned = Owner.of(owner), pins.table.owners.get(owner, {})
            if name is not None and not (isinstance(name, str) and told.is_called(name)):
                continue
            for tool, one in sorted(waiting.items()):
                before = pinned.get(tool)
                yield {
                    "kind": told.kind,
                    "name": told.name,
                    "tool": tool,
                    "why": one.why,
                    "digest": None if one.definition is None else one.definition.digest,
                    "definition": None if one.definition is None else one.definition.text,
                    "before": None if before is None else before.text or None,
                }

    async def accept(self, params: dict[str, JSON]) -> JSON:
        """Accept ``tools``, the digests that a person was shown by name, of the owner ``name``.

        Where ``lost`` is false, pins are no longer lost.

        Raises: ExchangeFailure ``not_waiting``, ``full`` or ``state``.
        """
        tools = params.get("tools")
        if not isinstance(tools, dict) or not all(isinstance(one, str) for one in tools.values()):
            raise ExchangeFailure("bad_params", "tools: expected digests by name")
        pins = self._pins()
        try:
            accepted = self._accept(params, tools) if tools else []
            if params.get("lost") is False:
                pins.trust_new_owners()
        except NotWaiting as error:
            raise ExchangeFailure("not_waiting", str(error)) from None
        except PinsFull as error:
            raise ExchangeFailure("full", str(error)) from None
        except StateError as error:
            raise ExchangeFailure("state", str(error)) from None
        return {"accepted": accepted}

    async def unpin(self, params: dict[str, JSON]) -> JSON:
        """Forget the pins of the owner ``name``; the next list is a first one."""
        pins, name = self._pins(), _name(params)
        owners = [
            owner
            for owner in {**pins.table.owners, **pins.waiting()}
            if Owner.of(owner).is_called(name)
        ]
        if not owners:
            raise ExchangeFailure("unknown", f"nothing is pinned of {name}")
        try:
            pins.forget(owners)
        except StateError as error:
            raise ExchangeFailure("state", str(error)) from None
        return {"forgotten": len(owners)}

    def _accept(self, params: dict[str, JSON], tools: Mapping[str, str]) -> list[str]:
        pins, name = self._pins(), _name(params)
        owners = [owner for owner in pins.waiting() if Owner.of(owner).is_called(name)]
        if not owners:
            raise NotWaiting(f"nothing of {name} waits")
        if len(owners) > 1:
            raise NotWaiting(f"a server and a node are named {name}: server/{name}, node/{name}")
        return sorted(pins.accept(owners[0], list(tools), shown=tools))


def waiting_told(pins: Pins) -> JSON:
    """Return what waits, for the status."""
    return [
        {"kind": Owner.of(owner).kind, "name": Owner.of(owner).name, "tools": sorted(waiting)}
        for owner, waiting in sorted(pins.waiting().items())
    ]


def _told(pins: Pins, owner: str, waiting: Mapping[str, Waiting]) -> JSON:
    told, pinned = Owner.of(owner), pins.table.owners.get(owner, {})
    return {
        "kind": told.kind,
        "name": told.name,
        "mark": told.mark,
        "pinned": {name: pin.digest for name, pin in sorted(pinned.items())},
        "waiting": {name: one.why for name, one in sorted(waiting.items())},
    }


def _name(params: dict[str, JSON]) -> str:
    name = params.get("name")
    if not isinstance(name, str):
        raise ExchangeFailure("bad_params", "name: expected the name of a server or node")
    return name
