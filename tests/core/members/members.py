"""Members of a mesh, without a node around them: keys, records, a directory."""

from __future__ import annotations

import base64
import json
from random import Random
from typing import TYPE_CHECKING, Any

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.directory import Directory, NodeRecord, SignedRecord
from clawmatrix_core.members.identity import Identity
from clawmatrix_core.members.trust import TrustStore
from clawmatrix_core.state.folder import MemoryState

if TYPE_CHECKING:
    from collections.abc import Callable

LABEL = b"clawmatrix record v1\0"


def base64_of(data: bytes) -> str:
    """Return bytes as they are written into JSON."""
    return base64.b64encode(data).decode()


class Member:
    """A node's name and keys, and what it says of itself."""

    def __init__(
        self, name: str, *, now: Callable[[], float] = lambda: 100.0, life: int = 1
    ) -> None:
        self.name = NodeId(name)
        self.identity = Identity.generate(Random(f"{name} {life}").randbytes)
        self.trust = TrustStore(MemoryState())
        self.gone: list[NodeId] = []
        self.directory = Directory(
            self.name,
            self.identity,
            self.trust,
            now=now,
            wall=lambda: 1_760_000_000.0,
            on_gone=lambda peer: self.gone.append(peer.node_id),
        )

    def record(self, **changes: Any) -> NodeRecord:
        """Return its record, but for the changes."""
        fields: dict[str, Any] = {
            "node_id": self.name,
            "sign_key": base64_of(self.identity.sign_public),
            "channel_key": base64_of(self.identity.channel_public),
            "epoch": 1,
            "seq": 1,
            "instance": f"{self.name}1",
            "features": NodeRecord.CORE_FEATURES,
        }
        return NodeRecord(**{**fields, **changes})

    def signed(self, **changes: Any) -> SignedRecord:
        """Return its record signed, but for the changes."""
        return SignedRecord.make(self.record(**changes), self.identity)

    def claim(self, **changes: Any) -> SignedRecord:
        """Sign whatever JSON: its record, but for the changes, under their names on the wire."""
        text = json.loads(self.signed().text)
        return self.sign_text(json.dumps({**text, **changes}))

    def sign_text(self, text: str) -> SignedRecord:
        """Sign a text."""
        signature = self.identity.sign(LABEL + text.encode())
        return SignedRecord(text, base64_of(signature))

    def meet(self, *others: Member, **changes: Any) -> None:
        """Take the records of others, and the own one."""
        own = self.record()
        self.directory.put_own(own, SignedRecord.make(own, self.identity))
        for other in others:
            self.directory.accept(other.signed(**changes))
