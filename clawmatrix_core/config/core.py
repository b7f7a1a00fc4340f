"""The keys at the top of a configuration: those of the core itself."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - read from the annotation

import attrs

from clawmatrix_core.base.log import parse_levels
from clawmatrix_core.base.node_id import NodeId, is_node_id
from clawmatrix_core.config.schema import option
from clawmatrix_core.config.types import Duration, Secret

__all__ = ["CORE_KEYS", "SECRETS_MOST", "SECRET_LENGTH", "CoreConfig", "Selection"]

SECRET_LENGTH = 32
"""Characters a cluster secret has at least."""
SECRETS_MOST = 4
"""Further secrets that a node accepts, at most: each costs the answering node one try."""


def _is_node_id(_: object, __: object, value: str) -> None:
    if not is_node_id(value):
        raise ValueError("must be 1 to 64 letters, digits, dots, dashes or underscores")


def _is_long_enough(_: object, __: object, value: Secret) -> None:
    if len(value) < SECRET_LENGTH:
        raise ValueError(
            f"must have at least {SECRET_LENGTH} characters, it has {len(value)}; "
            "`clawmatrix secret new` makes a good one"
        )


def _are_long_enough(instance: object, attribute: object, value: tuple[Secret, ...]) -> None:
    if len(value) > SECRETS_MOST:
        raise ValueError(f"must be at most {SECRETS_MOST}")
    for secret in value:
        _is_long_enough(instance, attribute, secret)


def _is_level_spec(_: object, __: object, value: str | None) -> None:
    parse_levels(value or "")


@attrs.frozen
class CoreConfig:
    """The keys at the top of the file."""

    node_id: NodeId = option(
        doc="The name of this node, the same for all members of the mesh.", validator=_is_node_id
    )
    secret: Secret = option(
        reload=True,
        doc="What all nodes of the mesh know and nobody else; at least 32 characters.",
        validator=_is_long_enough,
    )
    previous_secrets: tuple[Secret, ...] = option(
        default=(),
        reload=True,
        doc="Secrets that are taken beside `secret`, while it is exchanged node by node.",
        validator=_are_long_enough,
    )
    plugins: tuple[str, ...] | None = option(
        default=None,
        shown="every built-in that is installed",
        doc="The plugins to load; those of third parties are loaded only when named.",
    )
    disable: tuple[str, ...] = option(default=(), doc="Plugins to leave out.")
    remove_stalling: bool = option(
        default=True,
        doc="Take a third party's plugin out that blocks the event loop again and again.",
    )
    stop_timeout: Duration = option(
        default=Duration(30),
        doc="How long a stop may take before `clawmatrix run` names who holds it up, and ends.",
        validator=attrs.validators.gt(0),
    )
    tags: tuple[str, ...] = option(
        default=(), doc="Words other nodes see this node by.", reload=True
    )
    state_dir: Path | None = option(
        default=None,
        shown="the platform's state folder",
        doc="Where the node keeps its keys and state; used by one process at a time.",
    )
    peer_exchanges: int = option(
        default=1024,
        doc="Exchanges that one other node may have open here; more are refused as busy.",
        validator=attrs.validators.ge(1),
    )
    peer_sessions: float = option(
        default=2.0,
        doc="Sessions in a second that one other node may open here, in the long run.",
        validator=attrs.validators.gt(0),
    )
    log: str | None = option(
        default=None,
        reload=True,
        doc='How much is logged: "info", or by component: "warning,mesh:debug".',
        validator=_is_level_spec,
    )


@attrs.frozen
class Selection:
    """What of the core is needed to find the plugins, and with them their mistakes."""

    plugins: tuple[str, ...] | None = None
    disable: tuple[str, ...] = ()


CORE_KEYS = frozenset(field.name for field in attrs.fields(CoreConfig))
