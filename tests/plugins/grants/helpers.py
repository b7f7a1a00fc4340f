"""What the tests of the grants share: tables as a file has them, and keys that a store knows."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config, ConfigSection
from clawmatrix_core.members.identity import Identity, fingerprint
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.policy import Policy, Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.policy.verdict import Action, Effect
    from clawmatrix_grants.question import Decision

__all__ = [
    "HOME",
    "KEY",
    "NOW",
    "Wall",
    "accepted",
    "ask",
    "effect",
    "mistakes",
    "policy",
    "read",
    "store",
]

NOW = 1_800_000_000.0
HOME = NodeId("home")
KEY = Identity.generate(lambda size: b"h" * size)
"""The key of home."""


@attrs.define
class Wall:
    """A clock that a test turns."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


def read(table: str | Mapping[str, Any]) -> GrantsConfig:
    """Return the table ``grants``, given as TOML of the whole file or as that table alone."""
    raw = tomllib.loads(table) if isinstance(table, str) else {"grants": table}
    config = Config.from_mapping({"node_id": "office", "secret": "s" * 40, **raw})
    config.bind([ConfigSection("grants", GrantsConfig)])
    return config.section(GrantsConfig)


def mistakes(table: str) -> list[str]:
    """Return what is said of a table that has mistakes."""
    try:
        read(table)
    except Exception as error:  # noqa: BLE001 - the test compares the words
        return str(error).splitlines()
    return []


def store() -> TrustStore:
    """Return a trust store that knows nobody."""
    return TrustStore(MemoryState())


def accepted(*names: str, key: Identity = KEY) -> TrustStore:
    """Return one that knows some names by a key that a person accepted."""
    trust = store()
    for name in names:
        trust.check(NodeId(name), key.sign_public, proven=True, now=NOW)
        trust.accept(NodeId(name), fingerprint(key.sign_public))
    return trust


def policy(table: str | Mapping[str, Any], trust: TrustStore | None = None, **more: Any) -> Policy:
    """Return a policy at NOW, by which home has an accepted key unless another store is given."""
    known = accepted("home") if trust is None else trust
    return Policy(read(table), known, **{"wall": Wall(), **more})


def ask(
    decides: Policy,
    target: str,
    arguments: Mapping[str, JSON] | None = None,
    *,
    peer: str = HOME,
    key: Identity | None = KEY,
    action: Action = "tool",
) -> Decision:
    """Return what a policy says; ``arguments`` None asks whether any call could pass."""
    text = None if key is None else key.key_text
    return decides.decide(Question(peer, text, action, target, arguments))


def effect(
    table: str | Mapping[str, Any],
    target: str,
    arguments: Mapping[str, JSON] | None = None,
    **more: Any,
) -> Effect | None:
    """Return what a table comes to."""
    return ask(policy(table), target, arguments, **more).effect
