"""The node's part in who may do what: it asks its plugins, and has them write things down."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import AuditFailed, DemandFailed
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.identity import key_text
from clawmatrix_core.policy.record import Receipt
from clawmatrix_core.policy.standing import Asked, Standings
from clawmatrix_core.policy.verdict import LOCAL, Verdict, combine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.config.config import Config
    from clawmatrix_core.kernel.node_hooks import NodeHooks
    from clawmatrix_core.kernel.registry import PluginRegistry
    from clawmatrix_core.members.identity import Identity
    from clawmatrix_core.members.trust import TrustStore
    from clawmatrix_core.policy.record import AuditRecord
    from clawmatrix_core.policy.standing import Standing
    from clawmatrix_core.policy.verdict import Action

__all__ = ["GRANTS", "Gate", "missing_grants"]

_log = logging.getLogger("clawmatrix.policy")

GRANTS: Final = "grants"
"""A table of the configuration, and the plugin without which it denies everything."""


def missing_grants(config: Config, plugins: PluginRegistry) -> list[str]:
    """Return the mistake of a table ``grants`` whose plugin does not work, as the only one.

    Where no such plugin is installed, the table is one that nobody knows, which is told elsewhere.
    """
    works = plugins.hooks.implementing(hookspecs.authorize.__name__)
    if not config.has_table(GRANTS) or GRANTS in works or plugins.get(GRANTS) is None:
        return []
    why = plugins.why_absent(GRANTS)
    return [f"{GRANTS}: the table is there, and no plugin decides by it: all is denied{why}"]


class Gate:
    """Asks the plugins of a node before anything is served, and before anything runs.

    Attributes:
        authorizers: the plugins that decide who may do what; also those that fail to. It is empty
            where nothing decides: all members may use models then, and nobody anything else. The
            plugin ``grants`` decides where the configuration has a table of that name.
    """

    id: NodeId
    config: Config
    hooks: NodeHooks
    identity: Identity
    authorizers: tuple[str, ...] = ()
    _out_of_order: tuple[str, ...] = ()

    @cached_property
    def standings(self) -> Standings:
        """The work that is asked about again when the policy changes."""
        return Standings(self._ask_again)

    def look_who_decides(self) -> None:
        """Bring ``authorizers`` up to date, as plugins or the configuration have changed."""
        spec = hookspecs.authorize
        works = list(self.hooks.implementing(spec))
        fell = [
            info.name
            for info in self.hooks.plugins()
            if info.state == "failed" and spec.__name__ in info.hooks
        ]
        if not self.config.has_table(GRANTS):  # then it leaves all to others
            works, fell = ([name for name in names if name != GRANTS] for names in (works, fell))
        elif GRANTS not in works:
            fell.append(GRANTS)
        fell = list(dict.fromkeys(fell))
        if told := [name for name in fell if name not in self._out_of_order]:
            _log.error("everything is denied: %s decides, and does not work", ", ".join(told))
        self._out_of_order = tuple(fell)
        self.authorizers = (*works, *self._out_of_order)
        self.policy_changed("the plugins that decide, or the configuration")

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
            return Verdict("deny", f"the plugin {name} decides, and does not work", plugin=name)
        own = self.is_own_client(peer, key)
        answers = await self.hooks.every(
            hookspecs.authorize,
            Verdict,
            peer=LOCAL if own else NodeId(peer),
            key=None if own or key is None else _text(key),
            action=action,
            target=target,
            arguments=arguments,
        )
        return combine(answers, action)

    def standing(
        self,
        peer: NodeId | str,
        key: bytes | str | None,
        action: Action,
        target: str,
        arguments: Mapping[str, JSON] | None,
        *,
        approved: bool = False,
    ) -> Standing:
        """Return what running work is to be in: ``async with node.standing(...): ...``.

        The question of ``authorize`` is asked as the block begins, and again whenever the policy
        changes. Where the answer is no allow, the block is cancelled, and ends with ``Revoked``.
        So it does where the name gets another key, or the key is revoked.

        Args:
            peer, key, action, target, arguments: as for ``authorize``.
            approved: whether a person allowed this call, so that an ask lets it go on.
        """
        if self.is_own_client(peer, key):
            asked = Asked(LOCAL, None, action, target, arguments)
        else:
            known = None if key is None else _text(key)
            asked = Asked(NodeId(peer), known, action, target, arguments)
        return self.standings.begin(asked, approved=approved)

    def policy_changed(self, why: str) -> None:
        """Have all work that is in a standing asked about again; ``why`` is for callbacks."""
        self.standings.changed(why)

    def when_policy_changes(self, call: Callable[[str], None]) -> Callable[[], None]:
        """Have something called after each change, with why; return what ends that."""
        return self.standings.when_changed(call)

    async def audit(self, record: AuditRecord) -> Sequence[Receipt]:
        """Have all plugins write a record down; return their receipts.

        Raises: AuditFailed, where no plugin does, or one of them fails. Then nothing may run.
        """
        try:
            given = await self.hooks.demand(hookspecs.audit_record, Receipt, record=record)
        except DemandFailed as error:
            raise AuditFailed(error.plugin, error.words) from None
        return [attrs.evolve(receipt, plugin=plugin) for plugin, receipt in given]

    def is_own_client(self, peer: NodeId | str, key: bytes | str | None) -> bool:
        """Say whether an exchange is one of this node with itself, and not with another node.

        Another node that goes by this node's name has another key. The arguments are those of
        ``authorize``.
        """
        if peer != self.id:
            return peer == LOCAL
        return key is None or _text(key) == key_text(self.identity.sign_public)

    async def _ask_again(self, asked: Asked) -> Verdict:
        """Answer the question of running work."""
        return await self.authorize(
            asked.peer, asked.key, asked.action, asked.target, asked.arguments
        )

    def key_revoked(self, key: bytes) -> None:
        """End the work for a key."""
        self.standings.expel(key_text(key))

    def watch_trust(self, trust: TrustStore) -> None:
        """Have changes of names, and of how they are known, count for what runs."""
        trust.when_releveled(lambda name: self.policy_changed(f"{name} is known otherwise"))
        trust.when_rekeyed(
            lambda name, key: self.standings.keep_key(name, None if key is None else key_text(key))
        )


def _text(key: bytes | str) -> str:
    return key_text(key) if isinstance(key, bytes) else key
