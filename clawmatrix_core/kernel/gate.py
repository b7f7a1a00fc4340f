"""The node's part in who may do what: it asks its plugins, and has them write things down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import AuditFailed, DemandFailed
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import key_text
from clawmatrix_core.policy.record import Receipt
from clawmatrix_core.policy.verdict import LOCAL, Verdict, combine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.config.config import Config
    from clawmatrix_core.kernel.node_hooks import NodeHooks
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.policy.record import AuditRecord
    from clawmatrix_core.policy.verdict import Action

__all__ = ["GRANTS", "Gate"]

GRANTS: Final = "grants"
"""A table of the configuration, and the plugin without which it denies everything."""


class Gate:
    """Asks the plugins of a node before anything is served, and before anything runs.

    Attributes:
        authorizers: the plugins that decide who may do what; also those that fail to. It is empty
            where nothing decides: all members may use models then, and nobody anything else.
    """

    id: NodeId
    config: Config
    hooks: NodeHooks
    identity: Identity
    authorizers: tuple[str, ...] = ()
    _out_of_order: tuple[str, ...] = ()

    def look_who_decides(self) -> None:
        """Bring ``authorizers`` up to date, as plugins or the configuration have changed."""
        spec = hookspecs.authorize
        works = self.hooks.implementing(spec)
        fell = [
            info.name
            for info in self.hooks.plugins()
            if info.state == "failed" and spec.__name__ in info.hooks
        ]
        if self.config.has_table(GRANTS) and GRANTS not in works:
            fell.append(GRANTS)
        self._out_of_order = tuple(dict.fromkeys(fell))
        self.authorizers = (*works, *self._out_of_order)

    async def authorize(
        self,
        peer: NodeId | str,
        key: bytes | str | None,
        action: Action,
        target: str,
        arguments: Mapping[str, JSON] | None,
    ) -> Verdict:
        """Return whether somebody may do something here, as all plugins together decide.

        Where a plugin that decides has failed, or the configuration has a table ``grants`` and no
        plugin of that name works, everything is denied. Raises nothing.

        Args:
            peer: the name of the other node, as ``Exchange.peer`` has it; this node's own name, or
                ``LOCAL``, for its own clients. Plugins get ``LOCAL`` for both.
            key: the key of the other node, as ``Exchange.peer_key`` has it; plugins get it as the
                text ``ed25519:...``, and None for ``LOCAL``.
            action: what is asked for.
            target: the name of the model, tool, agent, workspace or resource.
            arguments: what it is called with; None asks whether any call could pass.
        """
        if self._out_of_order:
            name = self._out_of_order[0]
            return Verdict("deny", f"the plugin {name} decides here and does not work", plugin=name)
        peer, shown = self._who(NodeId(peer), key)
        answers = await self.hooks.every(
            hookspecs.authorize,
            Verdict,
            peer=peer,
            key=shown,
            action=action,
            target=target,
            arguments=arguments,
        )
        return combine(answers, action)

    async def audit(self, record: AuditRecord) -> Sequence[Receipt]:
        """Have all plugins write a record down; return their receipts.

        Raises: AuditFailed, where no plugin does, or one of them fails. Then nothing may run.
        """
        try:
            given = await self.hooks.demand(hookspecs.audit_record, Receipt, record=record)
        except DemandFailed as error:
            raise AuditFailed(error.plugin, error.words) from None
        return [attrs.evolve(receipt, plugin=plugin) for plugin, receipt in given]

    def _who(self, peer: NodeId, key: bytes | str | None) -> tuple[NodeId, str | None]:
        """Return whom plugins are asked about; another node under this node's name is not us."""
        if peer == LOCAL:
            return LOCAL, None
        shown = key_text(key) if isinstance(key, bytes) else key
        if peer == self.id and shown in (None, key_text(self.identity.sign_public)):
            return LOCAL, None
        return peer, shown
