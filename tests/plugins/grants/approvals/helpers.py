"""What the tests of approvals share: calls, disks that fail, an engine, and a bell to ring."""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
import attrs

from clawmatrix_core import (
    LOCAL,
    AuditRecord,
    Exchange,
    Frame,
    MemoryState,
    Node,
    NodeId,
    PluginScope,
    Receipt,
    Verdict,
    frame_types,
    hookimpl,
    key_text,
)
from clawmatrix_grants.api import ApprovalRequest, Question, permit
from clawmatrix_grants.approvals.call import Call
from clawmatrix_grants.approvals.keeper import ApprovalKeeper

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON, State

__all__ = [
    "HOME",
    "KEY",
    "OTHER_KEY",
    "BellPlugin",
    "CrashingState",
    "EnginePlugin",
    "PowerCut",
    "Wall",
    "call_of",
    "keeper_on",
    "ring",
]

HOME = NodeId("home")
KEY = key_text(bytes(32))
_WORDS = count()
OTHER_KEY = key_text(bytes(31) + b"\1")


@attrs.define
class Wall:
    """A clock that a test turns."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def call_of(arguments: Mapping[str, JSON] | None = None, **other: Any) -> Call:
    told: dict[str, Any] = {
        "peer": HOME,
        "key": KEY,
        "action": "tool",
        "target": "exec",
        "policy": "p1",
        "rule": "grants: grants.home.rules[0]",
        **other,
    }
    given = {"argv": ["make", "test"]} if arguments is None else arguments
    question = Question(told["peer"], told["key"], told["action"], told["target"], given)
    return Call.of(question, told["peer"], policy=told["policy"], rule=told["rule"])


class PowerCut(Exception):
    """The machine ends here."""


class CrashingState(MemoryState):
    """A state whose next write can be the last thing before the end: done, or not done."""

    def __init__(self) -> None:
        super().__init__()
        self.cut: str | None = None

    def write(self, name: str, value: JSON) -> None:
        cut, self.cut = self.cut, None
        if cut != "before":
            super().write(name, value)
        if cut is not None:
            raise PowerCut


def keeper_on(
    state: State, wall: Wall | None = None, records: list[AuditRecord] | None = None
) -> ApprovalKeeper:
    held = [] if records is None else records

    async def audit(record: AuditRecord) -> None:
        await anyio.lowlevel.checkpoint()
        held.append(record)

    return ApprovalKeeper(
        state,
        audit=audit,
        wall=wall or Wall(),
        new_id=lambda: f"a{next(_WORDS)}",
        log=logging.getLogger("clawmatrix.grants"),
    )


class EnginePlugin:
    """A host's own engine: what it says of everybody, and of each target.

    Attributes:
        effect: its answer where ``of`` has none for a target.
        of: its answers by target.
        records: what was to be written down.
        requests: the calls that came to wait.
    """

    plugin_name = "engine"
    extends = ("grants",)

    def __init__(self, effect: str = "ask") -> None:
        self.effect = effect
        self.of: dict[str, str] = {}
        self.rule = "engine.1"
        self.records: list[AuditRecord] = []
        self.requests: list[ApprovalRequest] = []
        self.writes = True

    @hookimpl
    async def authorize(self, peer: NodeId, target: str) -> Verdict | None:
        effect: Any = self.of.get(target, self.effect)
        return Verdict(effect, "as the test says", self.rule)

    @hookimpl
    async def audit_record(self, record: AuditRecord) -> Receipt:
        if not self.writes:
            raise OSError("the disk is full")
        self.records.append(record)
        return Receipt(b"")

    @hookimpl
    async def approval_requested(self, request: ApprovalRequest) -> None:
        self.requests.append(request)


class BellPlugin:
    """Serves a tool that rings; nothing rings without a permit.

    Attributes:
        rung: with what it was rung, and by which approval.
    """

    plugin_name = "bell"

    def __init__(self) -> None:
        self.rung: list[tuple[JSON, str | None]] = []

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        self._node, self._scope = node, scope

    @hookimpl
    @frame_types("ring")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return node.accept(frame, self._answer, self._scope)

    async def _answer(self, ex: Exchange) -> None:
        assert ex.peer_key is not None
        key = None if ex.peer == self._node.id else key_text(ex.peer_key)
        question = Question(ex.peer if key else LOCAL, key, "tool", "bell", ex.request)

        async def tell(words: str) -> None:
            await ex.send({"progress": words})

        given = await permit(self._node, question, progress=tell)
        self.rung.append((ex.request, given.approval))
        await ex.finish({"rung": True})


async def ring(node: Node, to: str, arguments: JSON, said: list[str] | None = None) -> JSON:
    """Ring a bell over the mesh; return the answer. Raises: ExchangeFailure."""
    async with node.exchange(to, "ring", arguments, complete=True) as ex:
        async for item in ex:
            if "progress" not in item:
                return item
            if said is not None:
                said.append(item["progress"])
    raise AssertionError("the answer is missing")
