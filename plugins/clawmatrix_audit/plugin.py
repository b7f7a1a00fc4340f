"""The plugin: what it registers, and what it writes down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_audit import held_heads, keys
from clawmatrix_audit.api import KeepsHeads
from clawmatrix_audit.book import AuditBook
from clawmatrix_audit.config import AuditConfig
from clawmatrix_audit.folder import AuditFolder
from clawmatrix_audit.frame_types import HEADS
from clawmatrix_audit.held_heads import HeldHeads
from clawmatrix_audit.ledger import Ledger
from clawmatrix_audit.log_words import log_record
from clawmatrix_audit.places import audit_path
from clawmatrix_core import (
    Check,
    ConfigSection,
    ControlMethod,
    MemoryState,
    RateLimitedLogger,
    Receipt,
    StateError,
    StateFile,
    StateWriter,
    StatusSection,
    frame_types,
    hookimpl,
)
from clawmatrix_core.spi import default_state_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

    import click

    from clawmatrix_audit.checks import Looked
    from clawmatrix_core import (
        JSON,
        AuditRecord,
        Config,
        Exchange,
        Frame,
        Node,
        NodeId,
        PluginScope,
    )

__all__ = ["AuditPlugin"]


class AuditPlugin(KeepsHeads):
    """Writes down what this node does for others, and keeps the heads of their audits.

    Attributes:
        book: what is written to; None where ``[audit] enabled`` is false, or the node keeps
            nothing on disk.
    """

    plugin_name = "audit"

    def __init__(self) -> None:
        self.book: AuditBook | None = None
        self._enabled = True
        self._held = HeldHeads(None, lambda _: None)

    @hookimpl
    def register_config(self) -> list[ConfigSection]:
        """Read the table ``audit``."""
        return [ConfigSection("audit", AuditConfig)]

    @hookimpl
    def register_state_files(self) -> list[StateFile]:
        """Keep a key, and heads of others."""
        return [StateFile(keys.STATE), StateFile(held_heads.STATE)]

    @hookimpl
    def register_commands(self) -> list[click.Command]:
        """Add ``audit``."""
        from clawmatrix_audit.commands import audit  # a node that runs does without

        return [audit]

    @hookimpl
    def register_control_methods(self, node: Node) -> list[ControlMethod]:
        """Add what ``clawmatrix audit verify`` asks the running node for."""

        async def load() -> Sequence[ControlMethod]:
            from clawmatrix_audit.methods import AuditMethods  # a small module, when one is called

            return AuditMethods(node, lambda: self.book).all()

        return ControlMethod.later(load, ["audit.heads"])

    @hookimpl
    def register_status(self) -> list[StatusSection]:
        """Say how long the audit is, and whether it can be written."""
        return [StatusSection("audit", self._status)]

    @hookimpl
    def register_checks(self, config: Config, node: Node | None) -> list[Check]:
        """Have ``clawmatrix doctor`` show whether things are written down."""
        from clawmatrix_audit.checks import audit_check  # when somebody asks

        return [Check("audit", audit_check(config, None if node is None else self._looked_at))]

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Open the audit. An audit that cannot be opened takes the plugin out: nothing runs."""
        self._node, self._scope = node, scope
        self._log = node.logger("audit")
        self._limited = RateLimitedLogger(self._log, clock=node.clock.now)
        self._enabled = node.config.section(AuditConfig).enabled
        writer = await scope.enter(StateWriter(node.state, on_error=scope.report))
        self._held = HeldHeads(
            node.state.read(held_heads.STATE),
            lambda value: writer.write_soon(held_heads.STATE, value),
        )
        if not self._enabled:
            self._log.warning("[audit] enabled = false: nothing is written down")
        elif _has_folder(node):
            self.book = await scope.enter(self._made(node), name="audit")

    def _made(self, node: Node) -> AuditBook:
        kept, told = keys.load_keys(node.state), node.config.section(AuditConfig)
        folder, wall = AuditFolder(audit_path(node.config.state_dir)), node.clock.wall
        ledger = Ledger(folder, kept.key, wall=wall, limit=told.size, log=self._log)
        return AuditBook(
            ledger,
            kept.key,
            chain=kept.chain,
            node=node.id,
            sign=node.identity.sign,
            wall=wall,
            keep=lambda: node.config.section(AuditConfig).keep,
            log=self._log,
        )

    @hookimpl
    async def config_changed(self, node: Node, changed: frozenset[str]) -> None:
        """Take another size; how long lines are kept is looked up each time."""
        if self.book is not None and "audit.size" in changed:
            self.book.limit(node.config.section(AuditConfig).size)

    @hookimpl
    async def audit_record(self, record: AuditRecord) -> Receipt:
        """Write a record down. Raises: StateError, where that is not possible."""
        if not self._enabled:
            head = b""
        elif self.book is None:
            raise StateError(_NO_FOLDER)
        else:
            head = await self.book.write(record)
        log_record(self._log, self._limited, record)
        return Receipt(head)

    @hookimpl
    @frame_types(HEADS)
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        """Answer whoever asks what is held of its audit."""
        return node.accept(frame, self._answer, self._scope)

    def keep_head(self, peer: NodeId, key: bytes, head: bytes) -> bool:
        """See ``clawmatrix_audit.api.keep_head``."""
        if not head:
            return False
        try:
            self._held.keep(key, head)
        except ValueError as error:
            self._limited.warning(peer, "the head that %s sent with a result %s", peer, error)
            return False
        return True

    async def _answer(self, ex: Exchange) -> None:
        from clawmatrix_audit.asking import answer_heads  # a small module, once a node asks

        await answer_heads(ex, self._held)

    def _status(self) -> JSON:
        trouble = self._trouble()
        book = self.book
        counts = {} if book is None else {"lines": book.lines, "open": book.open}
        return {"enabled": self._enabled, **counts, "failing": trouble}

    async def _looked_at(self) -> Looked:
        """Return what keeps things from being written, and what was done to what is."""
        from clawmatrix_audit.checks import Looked

        trouble = self._trouble()
        if self.book is None or self.book.closed:
            return Looked(trouble)
        try:
            return Looked(trouble, await self.book.look_for_damage())
        except StateError as error:
            return Looked(trouble or str(error))

    def _trouble(self) -> str | None:
        if not self._enabled:
            return None
        return _NO_FOLDER if self.book is None else self.book.failing


_NO_FOLDER = (
    "the node keeps nothing on disk, so nothing can be written down:"
    " set state_dir, or [audit] enabled = false"
)


def _has_folder(node: Node) -> bool:
    in_memory = isinstance(node.state, MemoryState)
    return not (in_memory and node.config.state_dir == default_state_dir(node.id))
