"""What is shared of a workspace, and with whom: the one question that all exchanges ask first."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from clawmatrix_core import NOT_ALLOWED, ExchangeFailure, Revoked

if TYPE_CHECKING:
    from collections.abc import (
        AsyncGenerator,
        AsyncIterator,
        Callable,
        Collection,
        Iterator,
        Sequence,
    )

    from clawmatrix_core import Exchange, Node
    from clawmatrix_knowledge.index.index import Index
    from clawmatrix_knowledge.versions import ContentId, Version

__all__ = ["ANYBODY", "Doorkeeper", "Shares", "is_workspace_name", "names"]

ANYBODY: Final = "*"
"""Stands among the peers of a workspace for whoever is in the mesh."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class Shares(Protocol):
    """One workspace, as other nodes see it.

    Attributes:
        name: its name, the same on all nodes that share it.
        peers: the names of the nodes it is shared with, ANYBODY among them for all.
        index: its versions.
    """

    @property
    def name(self) -> str: ...

    @property
    def peers(self) -> Collection[str]: ...

    @property
    def index(self) -> Index: ...

    def read(self, content: ContentId, offset: int = 0) -> AsyncGenerator[bytes, None]:
        """Yield the bytes of a content from an offset on, in parts of at most 1 MiB.

        What comes need not be right: whoever asks checks it. Raises: KeyError, where the bytes
        are not here, or are other ones; OSError.
        """
        ...

    async def received(self, versions: Sequence[Version]) -> None:
        """Take versions that a peer brought and that are on the disk; return soon."""
        ...


class Doorkeeper:
    """Lets those in that a workspace is shared with, and that the policy allows.

    Anybody else gets one answer, whatever he asks for and whether it is there.

    Args:
        node: asks the policy.
        find: returns a workspace by its name.
    """

    def __init__(self, node: Node, find: Callable[[str], Shares | None]) -> None:
        self._node, self._find = node, find
        self._open: Counter[tuple[str, bytes]] = Counter()

    @asynccontextmanager
    async def admitted(
        self, ex: Exchange, workspace: str, *, sharing: bool = True
    ) -> AsyncIterator[Shares]:
        """Give the workspace that the other end of an exchange asks for.

        The block ends with the one answer as soon as the other end may not have it any more.

        Args:
            ex: the exchange.
            workspace: the name that it asks for.
            sharing: whether there has to be an open share, which is in the audit.

        Raises: ExchangeFailure.
        """
        shares = self._find(workspace) if is_workspace_name(workspace) else None
        try:
            async with self._node.standing(ex.peer, ex.peer_key, "workspace", workspace, None):
                if shares is None or not names(shares, ex.peer) or self._is_own(ex):
                    raise _not_allowed()
                if sharing and not self._open[workspace, ex.peer_key or b""]:
                    raise ExchangeFailure("not_open", "the index of the workspace comes first")
                yield shares
        except Revoked:
            raise _not_allowed() from None

    async def may(self, peer: str, workspace: str) -> bytes | None:
        """Return the key of a node that may have a workspace, None where it may not."""
        known, shares = self._node.directory.get(peer), self._find(workspace)
        if known is None or shares is None or peer == self._node.id or not names(shares, peer):
            return None
        key = known.record.sign_key_bytes()
        verdict = await self._node.authorize(peer, key, "workspace", workspace, None)
        return key if verdict.effect == "allow" else None

    @contextmanager
    def opened(self, workspace: str, key: bytes) -> Iterator[None]:
        """Note that a share is open while the block runs."""
        self._open[workspace, key] += 1
        try:
            yield
        finally:
            self._open[workspace, key] -= 1
            self._open += Counter()  # those at 0 go

    def _is_own(self, ex: Exchange) -> bool:
        return ex.peer_key is None or self._node.is_own_client(ex.peer, ex.peer_key)


def names(shares: Shares, peer: str) -> bool:
    """Say whether a workspace is shared with a node."""
    return peer in shares.peers or ANYBODY in shares.peers


def is_workspace_name(text: str) -> bool:
    """Say whether a workspace may have this name."""
    return _NAME.fullmatch(text) is not None


def _not_allowed() -> ExchangeFailure:
    return ExchangeFailure("not_allowed", NOT_ALLOWED)
