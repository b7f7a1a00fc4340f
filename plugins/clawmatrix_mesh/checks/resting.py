"""What the mesh plugin can look at while no node runs: ports, peers, keys."""

from __future__ import annotations

import errno
from functools import partial
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core import (
    Check,
    ClawMatrixError,
    DialError,
    Finding,
    StartError,
    StateError,
    shown_address,
)
from clawmatrix_core.spi import HandshakeError, StateView, TrustStore, load_identity
from clawmatrix_mesh.addresses import with_address, without_address
from clawmatrix_mesh.checks.advice import advice_for
from clawmatrix_mesh.checks.clocks import look_at_clocks
from clawmatrix_mesh.checks.keys import look_at_keys
from clawmatrix_mesh.checks.looking import LIMIT, Looker
from clawmatrix_mesh.checks.revocations import look_at_revokers
from clawmatrix_mesh.config import MeshConfig, listen_addresses
from clawmatrix_mesh.websocket.tls import client_tls, server_tls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core import Config, Transport
    from clawmatrix_mesh.checks.looking import Seen

__all__ = ["resting_checks"]

_PEER = "mesh.peer"
_LISTEN = "mesh.listen"


def resting_checks(config: Config, *, limit: float = LIMIT) -> list[Check]:
    """Return the checks of a node that does not run.

    ``limit`` is in seconds, for a connection to come about and for each handshake.
    """
    told = config.section(MeshConfig)
    resting = _Resting(config, told, limit)
    listening = [
        Check(_LISTEN, partial(resting.listen, address, key))
        for address, key in listen_addresses(told).items()
    ]
    return [
        *listening,
        Check(_PEER, resting.peers),
        Check("mesh.keys", resting.keys),
        Check("mesh.revocations", resting.revokers),
    ]


@attrs.frozen
class _Resting:
    config: Config
    told: MeshConfig
    limit: float

    def _transport(self, address: str) -> Transport | None:
        """Return what connects to an address, None where that is another plugin's."""
        from clawmatrix_mesh.websocket.transport import WebSocketTransport

        if address.partition("://")[0] not in WebSocketTransport.schemes:
            return None
        return WebSocketTransport(
            server_tls=server_tls(self.told),
            client_tls=client_tls(self.told),
            proxy=self.told.proxy,
            open_timeout=self.limit,
        )

    async def listen(self, address: str, key: str) -> Sequence[Finding]:
        """Bind an address for a moment."""
        shown = shown_address(address)
        try:
            transport = self._transport(address)
            if transport is None:
                return [Finding(_LISTEN, "skipped", f"{shown}: start the node to try it")]
            async with transport.listen(address):
                return [Finding(_LISTEN, "ok", f"{shown} is free")]
        except StartError as error:
            return [Finding("mesh.tls", "problem", str(error), "correct it in [mesh]")]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                detail = f"{shown} cannot be bound: {error.strerror or error}"
                advice = f"set [mesh] {key} to an address of this machine, with a port from 1024 on"
                return [Finding(_LISTEN, "problem", detail, advice)]
        return [await self._who_has(address, key)]

    async def _who_has(self, address: str, key: str) -> Finding:
        everywhere = address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
        everywhere = everywhere.replace("//*:", "//127.0.0.1:")
        advice = f"stop it, or set [mesh] {key} to another port; `ss -ltnp` shows whose it is"
        try:
            transport = self._transport(everywhere)
            assert transport is not None, "it has just been tried"
            seen = await self._looker().look(transport, everywhere)
        except HandshakeError as error:
            who = {
                "self": "by this node itself, which runs already",
                "wrong_secret": "by a ClawMatrix node of another mesh",
            }.get(error.reason, "by another program")
        except ClawMatrixError:
            who = "by another program"
        else:
            who = "by a ClawMatrix node"
            if seen.record is not None:
                who = f"by the node {seen.record.node_id}"
        return Finding(_LISTEN, "problem", f"{shown_address(address)} is taken, {who}", advice)

    def _looker(self) -> Looker:
        return Looker(self.config, StateView(self.config.state_dir), limit=self.limit)

    async def peers(self) -> Sequence[Finding]:
        """Shake hands with every peer, all at once."""
        if not self.told.peers:
            return [Finding(_PEER, "skipped", "there are no addresses in [mesh] peers")]
        try:
            looker, trust = self._looker(), TrustStore(StateView(self.config.state_dir))
        except StateError as error:
            return [Finding(_PEER, "skipped", f"no peer is asked: {error}")]
        found: dict[str, Finding] = {}
        clocks: dict[str, float] = {}

        async def ask(address: str) -> None:
            found[address] = await self._ask(looker, trust, address, clocks)

        async with anyio.create_task_group() as tasks:
            for address in dict.fromkeys(self.told.peers):
                tasks.start_soon(ask, address)
        return [*(found[one] for one in dict.fromkeys(self.told.peers)), *look_at_clocks(clocks)]

    async def _ask(
        self, looker: Looker, trust: TrustStore, address: str, clocks: dict[str, float]
    ) -> Finding:
        shown = shown_address(address)
        try:
            transport = self._transport(address)
            if transport is None:
                return Finding(_PEER, "skipped", f"{shown}: start the node to try it")
            seen = await looker.look(transport, address)
        except (DialError, HandshakeError) as error:
            detail = with_address(shown, without_address(error, address))
            return Finding(_PEER, "problem", detail, advice_for(error.reason))
        except StartError as error:
            return Finding("mesh.tls", "problem", str(error), "correct it in [mesh]")
        if seen.record is not None:
            clocks[seen.record.node_id] = seen.ahead
        return self._judge(shown, seen, trust)

    def _judge(self, shown: str, seen: Seen, trust: TrustStore) -> Finding:
        if seen.record is None:
            detail = f"{shown}: a ClawMatrix node, and it did not refuse the secret"
            return Finding(_PEER, "ok", f"{detail} (who it is shows once this node has a key)")
        name = seen.record.node_id
        pin = trust.get(name)
        key = seen.record.sign_key_bytes()
        if pin is not None and pin.sign_public not in (key, *seen.record.past_keys()):
            detail = f"{shown}: {name} shows another key than the one known here"
            return Finding(_PEER, "problem", detail, advice_for("pin_conflict"))
        if seen.previous:
            detail = f"{shown}: {name} answers, and takes only a secret of before"
            advice = "give it the present one: `clawmatrix secret use` there"
            return Finding(_PEER, "warning", detail, advice)
        return Finding(_PEER, "ok", f"{shown}: {name} answers, and has the same secret")

    async def keys(self) -> Sequence[Finding]:
        """Look at the keys that nodes were seen with."""
        try:
            conflicts = TrustStore(StateView(self.config.state_dir)).conflicts()
        except StateError as error:
            return [Finding("mesh.keys", "skipped", f"the known keys cannot be read: {error}")]
        return list(look_at_keys(conflicts))

    async def revokers(self) -> Sequence[Finding]:
        """Look at whose revocations count."""
        state = StateView(self.config.state_dir)
        try:
            if state.read("identity") is None:
                return [Finding("mesh.revocations", "skipped", "this node has no key yet")]
            identity, trust = load_identity(state), TrustStore(state)
        except StateError as error:
            return [Finding("mesh.revocations", "skipped", f"the keys cannot be read: {error}")]
        own = (self.config.node_id, identity.sign_public)
        later = Finding("mesh.revocations", "skipped", "start the node to see those that wait")
        return [*look_at_revokers(self.told.revokers.keys, own, trust.keys), later]
