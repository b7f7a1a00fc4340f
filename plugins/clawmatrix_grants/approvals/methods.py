"""What ``clawmatrix approvals`` calls over the control socket, which alone can approve a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio

from clawmatrix_core import ControlMethod, ExchangeFailure
from clawmatrix_grants.approvals.asking_rule import AskingRule
from clawmatrix_grants.approvals.config import ApprovalsConfig
from clawmatrix_grants.approvals.words import approval_json
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.keys import KnownToNode
from clawmatrix_grants.policy import Policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from clawmatrix_core import JSON, Node
    from clawmatrix_grants.approvals.call import Call
    from clawmatrix_grants.approvals.keeper import ApprovalKeeper
    from clawmatrix_grants.approvals.table import Approval

__all__ = ["ALIVE", "ApprovalMethods"]

ALIVE: Final = 20.0
"""Seconds after which ``approvals.watch`` says that it is still there."""


class ApprovalMethods:
    """The methods of a node; ``keeper`` returns its approvals, None where it keeps none yet."""

    def __init__(self, node: Node, keeper: Callable[[], ApprovalKeeper | None]) -> None:
        self._node, self._get = node, keeper

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [
            ControlMethod("approvals.list", call=self.list),
            ControlMethod("approvals.show", call=self.show),
            ControlMethod("approvals.watch", stream=self.watch),
            ControlMethod("approvals.allow", call=self.allow),
            ControlMethod("approvals.deny", call=self.deny),
            ControlMethod("approvals.rule", call=self.rule),
            ControlMethod("approvals.ruled", call=self.ruled),
        ]

    async def list(self, _: dict[str, JSON]) -> JSON:
        """Return all approvals, the oldest first."""
        found = sorted(self._living().values(), key=lambda one: one.at)
        return {"approvals": [approval_json(one) for one in found]}

    async def show(self, params: dict[str, JSON]) -> JSON:
        """Return the approval ``id``. Raises: ExchangeFailure, where there is none."""
        found = self._living().get(_id(params))
        if found is None:
            raise ExchangeFailure("unknown_approval", f"no call {_id(params)} waits")
        return approval_json(found)

    async def watch(self, _: dict[str, JSON]) -> AsyncIterator[JSON]:
        """Yield each approval as it comes to another state; those that end are ``ended``.

        Now and then an item without an approval says that the node is still there.
        """
        known: Mapping[str, Approval] = {}
        while True:
            present = self._living()
            for id_, one in present.items():
                if known.get(id_) != one:
                    yield {"approval": approval_json(one)}
            for id_ in known.keys() - present.keys():
                yield {"approval": {**approval_json(known[id_]), "state": "ended"}}
            known = present
            with anyio.move_on_after(ALIVE) as waiting:
                while self._living() == known:
                    await self._keeper().changed.wait()
            if waiting.cancelled_caught:
                yield {}

    async def allow(self, params: dict[str, JSON]) -> JSON:
        """Allow the call ``id``: once, or for ``seconds`` any number of times.

        Raises: ExchangeFailure; Full; AuditFailed, StateError, where it cannot be written down.
        """
        seconds = params.get("seconds")
        if seconds is None:
            once = self._config.expires
            return approval_json(await self._keeper().allow(_id(params), once, repeats=False))
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise ExchangeFailure("bad_params", "seconds: expected a number")
        return approval_json(await self._keeper().allow(_id(params), seconds, repeats=True))

    async def deny(self, params: dict[str, JSON]) -> JSON:
        """Refuse the call ``id``. Raises: as ``allow``."""
        return approval_json(await self._keeper().refuse(_id(params), self._config.expires))

    async def rule(self, params: dict[str, JSON]) -> JSON:
        """Return the rule that has people asked about the call ``id``, and what it would allow.

        Raises: ExchangeFailure, where the call would not be allowed though that rule allowed it.
        """
        found, call = self._asking(params)
        config, asked = found.allowing(self._node.config.section(GrantsConfig)), call.question()
        known = KnownToNode(self._node)
        wall = self._node.clock.wall
        decided = Policy(config, known, wall=wall, is_revoked=known.is_revoked).decide(asked)
        if decided.effect != "allow":
            why = f"{decided.rule} would {decided.effect} it still: {decided.reason}"
            raise ExchangeFailure("no_use", why)
        return {**found.told(), "words": [*found.words()], "toml": [*found.toml()]}

    async def ruled(self, params: dict[str, JSON]) -> JSON:
        """Write down that a person lets the rule behind the call ``id`` allow from now on.

        Raises: ExchangeFailure; AuditFailed, where that is not possible: the file has to stay.
        """
        self._asking(params)
        await self._keeper().note(_id(params), "allowed by changing its rule")
        return {}

    def _asking(self, params: Mapping[str, JSON]) -> tuple[AskingRule, Call]:
        if (one := self._living().get(_id(params))) is None:
            raise ExchangeFailure("unknown_approval", f"no call {_id(params)} waits")
        try:
            return AskingRule.find(self._node.config.section(GrantsConfig), one.call.rule), one.call
        except LookupError as error:
            raise ExchangeFailure("no_rule", str(error.args[0])) from None

    @property
    def _config(self) -> ApprovalsConfig:
        return self._node.config.section(ApprovalsConfig)

    def _keeper(self) -> ApprovalKeeper:
        if (found := self._get()) is None:
            raise ExchangeFailure("no_approvals", "this node has not started yet")
        return found

    def _living(self) -> Mapping[str, Approval]:
        table = self._keeper().table.living(self._node.clock.wall())
        return {one.id: one for one in table.approvals.values()}


def _id(params: Mapping[str, JSON]) -> str:
    id_ = params.get("id")
    if not isinstance(id_, str):
        raise ExchangeFailure("bad_params", "id: expected the word of an approval")
    return id_
