"""The secrets of the mesh that are in force: the one to use first, and others still taken.

While a secret is exchanged, node by node, there are two. Whoever shakes hands reads them
each time, so that new ones can be put in force while the node runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.redaction import register_secret
from clawmatrix_core.members.identity import psk_from_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core.config.types import Secret

__all__ = ["Keyring"]


class Keyring:
    """The secrets of one node.

    Attributes:
        secret: what this node begins with, and tells those that it lets in.
        psks: what handshakes mix in; that of ``secret`` first, then what is taken beside it.
    """

    secret: Secret
    psks: tuple[bytes, ...]

    def __init__(self, secret: Secret, others: Iterable[Secret] = ()) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.put(secret, others)

    def __repr__(self) -> str:
        return f"<Keyring of {len(self.psks)}>"

    def put(self, secret: Secret, others: Iterable[Secret] = ()) -> None:
        """Put other secrets in force, and tell who listens. Their lengths were checked."""
        secrets = list(dict.fromkeys((secret, *others)))
        for one in secrets:
            register_secret(one.reveal())
        self.secret = secret
        self.psks = tuple(psk_from_secret(one.reveal()) for one in secrets)
        for listener in self._listeners:
            listener()

    def when_changed(self, call: Callable[[], None]) -> None:
        """Have something called whenever other secrets are in force."""
        self._listeners.append(call)
