"""The hooks of the core: the contract between the core and its plugins.

Plugins specify hooks too, see ``clawmatrix plugins hooks``.

Three kinds. *Registration* hooks (``register_*``) are plain functions that return lists of frozen
values. A node calls them once while it starts, with two exceptions: the command line calls
``register_commands``, and ``clawmatrix doctor`` calls ``register_checks``. *Frame* hooks are plain functions on the
hot path; they open or feed an exchange and return at once. *Event*, *question* and *policy* hooks
are ``async def``; each call has its own fault boundary and time limit.

Parameters are passed by name; an implementation takes those it wants, without defaults.

The functions here are specifications: pluggy reads their names and parameters, and nothing ever
calls them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from clawmatrix_core.base.dispatch import dispatch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import click

    from clawmatrix_core.config.config import Config, ConfigSection
    from clawmatrix_core.members.directory import Peer
    from clawmatrix_core.wire.frames import Frame
    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.base.metric import Metric
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.wire.link import Link
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.loading.contributions import (
        Check,
        ControlMethod,
        Offer,
        StatusSection,
    )
    from clawmatrix_core.wire.routes import PathStatus, Route
    from clawmatrix_core.wire.frames import Transit
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.policy.record import AuditRecord, Receipt
    from clawmatrix_core.policy.verdict import Action, Verdict
    from clawmatrix_core.state.files import StateFile
    from clawmatrix_core.wire.transport import Transport

hookspec = pluggy.HookspecMarker("clawmatrix")
hookimpl = pluggy.HookimplMarker("clawmatrix")


# --- registration -----------------------------------------------------------------------


@hookspec
def register_config() -> list[ConfigSection]:
    """Declare the tables of the configuration that the plugin reads.

    Called by the node before anything else, and by ``clawmatrix config check``.
    Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
def register_state_files() -> list[StateFile]:
    """Declare the files that the plugin keeps in the state folder.

    Called by the node before it opens its state. Files of a newer program are refused then,
    and older ones brought up to date. Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
def register_commands() -> list[click.Command]:
    """Add commands to ``clawmatrix``.

    Called by the command line, in a process in which no node runs, and by ``clawmatrix run`` to
    name what is wrong with commands of third parties. Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
def register_transports(node: Node) -> list[Transport]:
    """Add transports, which make connections for the address schemes they name.

    Called by the node before plugins start. Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
def register_control_methods(node: Node) -> list[ControlMethod]:
    """Add methods to the local control socket, which commands call.

    Called by the node before plugins start; served by the ``control`` plugin.
    Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
def register_status(node: Node) -> list[StatusSection]:
    """Add sections to ``clawmatrix status --json``.

    Called by the node before plugins start; each section is asked when status is wanted.
    Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
def register_offers(node: Node) -> list[Offer]:
    """Say what this node offers to every member, in its signed record.

    Called by the node before plugins start; each offer is asked again whenever the record
    is written, see ``Node.offers_changed``. Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
def register_metrics(node: Node) -> list[Metric]:
    """Add metrics: counters, gauges and histograms, as plain values.

    Called by the node before plugins start; each metric is read whenever somebody asks. The
    ``http`` plugin serves them to Prometheus. Dispatch: collect.
    """
    raise NotImplementedError


@hookspec
def register_checks(config: Config, node: Node | None) -> list[Check]:
    """Add what ``clawmatrix doctor`` looks at; ``node`` is None where the node does not run.

    Called by the node whenever it is asked, and by the command itself where none runs.
    Nothing is done here but in each check's ``run``. Dispatch: collect.
    """
    raise NotImplementedError


# --- life -------------------------------------------------------------------------------


@hookspec
async def start_plugin(node: Node, scope: PluginScope) -> None:
    """Start what the plugin runs, in its scope, and return once it serves.

    Called by the node in the order of loading. What is started or entered in the scope is
    stopped and closed in reverse order when the node stops or the plugin fails. An exception
    here takes this plugin out, a StartError the whole node. Dispatch: notify.
    """


@hookspec
async def node_started(node: Node) -> None:
    """Note that every plugin has started; the place to let others in.

    Called by the node once, before the first event. Dispatch: notify.
    """


@hookspec
async def node_stopping(node: Node) -> None:
    """Note that the node is about to stop; links and servers still work.

    Called by the node once, after the last event, where ``node_started`` was called.
    Dispatch: notify.
    """


# --- frames -----------------------------------------------------------------------------


@hookspec
def frame_received(node: Node, frame: Frame) -> bool | None:
    """Take a frame that is for this node; return True to have taken it.

    Called by the node for each frame that no exchange is waiting for. Name the types
    wanted with ``@frame_types(...)``, so that other frames cost nothing. The first True
    ends the call. Dispatch: frame.
    """


@hookspec
def transit_received(node: Node, transit: Transit) -> bool | None:
    """Pass on a frame that is for another node; return True to have dealt with it.

    Called by the node for each such frame that a link brings. Must not wait, and must not
    read the body. The first True ends the call. Dispatch: frame.
    """


# --- events -----------------------------------------------------------------------------


@hookspec
async def link_opened(node: Node, link: Link) -> None:
    """Note that a neighbour has proved itself and its link carries frames.

    Called by the node, in order with ``link_closed``. Dispatch: notify.
    """


@hookspec
async def link_closed(node: Node, link: Link, reason: str) -> None:
    """Note that a link is gone.

    Called by the node, in order with ``link_opened``, but not for links that close because
    the node stops. Dispatch: notify.
    """


@hookspec
async def peer_changed(node: Node, peer: Peer) -> None:
    """Note that a member's record is new, or has changed; this node's own one too.

    Called by the node whenever the directory took a newer record. Dispatch: notify.
    """


@hookspec
async def peer_gone(node: Node, peer: Peer) -> None:
    """Note that a member's record has left the directory; ``peer`` is the last one.

    Called by the node when a member was revoked, when its key was replaced or forgotten, and
    when it was out of reach for so long that it is forgotten. Dispatch: notify.
    """


@hookspec
async def offers_changed(node: Node) -> None:
    """Note that what this node offers reads differently now.

    Called by the node after a plugin called ``Node.offers_changed``. Dispatch: notify.
    """


@hookspec
async def config_changed(node: Node, changed: frozenset[str]) -> None:
    """Put in force what reads differently in the configuration; ``changed`` has the keys.

    Called by the node inside ``Node.reload``, which returns when all plugins have returned.
    Keys are paths such as ``mesh.peers``, of options declared with ``reload=True``.
    ``node.config`` has their new values. Dispatch: notify.
    """


@hookspec
async def routes_changed(node: Node, changed: frozenset[NodeId]) -> None:
    """Note that the next hop to these nodes changed, appeared or went.

    Called by the node after ``compute_routes`` gave another answer. Dispatch: notify.
    """


# --- questions --------------------------------------------------------------------------


@hookspec(firstresult=True)
def compute_routes(node: Node) -> Mapping[NodeId, Route] | None:
    """Return the next hop to every node that can be reached, or None to leave it to others.

    Called by the node, a moment after links or records changed. Pure: it reads
    ``node.links`` and ``node.directory`` and nothing else. Dispatch: first.
    """


@hookspec(firstresult=True)
async def path_status(node: Node, peer: NodeId, probe: bool) -> PathStatus | None:
    """Return how a node is reached, from evidence; with ``probe``, make sure first.

    Called for ``status``, ``peers`` and ``ping``. Dispatch: first.
    """


# --- policy -----------------------------------------------------------------------------


@hookspec
@dispatch("every")
async def authorize(
    node: Node,
    peer: NodeId,
    key: str | None,
    action: Action,
    target: str,
    arguments: Mapping[str, JSON] | None,
) -> Verdict | None:
    """Return whether somebody may do something here, or None to leave it to others.

    Called by the node inside ``Node.authorize``, before anything is served. Every plugin is
    asked: a deny beats an ask, an ask beats an allow, and a plugin that fails denies.
    Dispatch: every.
    """


@hookspec
@dispatch("demand")
async def audit_record(node: Node, record: AuditRecord) -> Receipt:
    """Write down what is about to be done or was done here, and return a receipt for it.

    Called by the node inside ``Node.audit``, before anything runs and after it. Where a plugin
    fails, or there is none, nothing runs. Dispatch: demand.
    """
    raise NotImplementedError
