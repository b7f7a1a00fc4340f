"""Which nodes may use the models that this one serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import NOT_ALLOWED, ExchangeFailure

if TYPE_CHECKING:
    from clawmatrix_core import Exchange, Node
    from clawmatrix_model_proxy.config import Members

__all__ = ["Admission", "NotHere"]

_REQUESTS = frozenset(
    {
        "busy",
        "too_large",
        "cannot_convert",
        "bad_request",
        "model_not_found",
        "response_not_found",
    }
)
_ANSWERS = frozenset({"answer_too_large", "upstream_broke"})


class NotHere(ExchangeFailure):
    """A model that this node does not serve, or not to the node that asks.

    The other node gets the same words for both. ``reason`` is for this node's log.
    """

    def __init__(self, reason: str) -> None:
        super().__init__("model_not_found", NOT_ALLOWED, may_have_begun=False)
        self.reason = reason


class Admission:
    """Asks the plugins of a node before a model is used.

    Attributes:
        granted_only: whether another node needs a plugin's yes; else a no is enough to refuse it.
    """

    def __init__(self, node: Node, members: Members) -> None:
        self._node = node
        self.granted_only = members == "granted"

    @property
    def needed(self) -> bool:
        """Whether anybody decides: where nobody does, a request goes on without being asked for."""
        return bool(self._node.authorizers) or self.granted_only

    async def check(self, exchange: Exchange, model: str) -> None:
        """Return where the other node may use a model. Raises: NotHere."""
        node, peer = self._node, exchange.peer
        verdict = await node.authorize(peer, exchange.peer_key, "model", model, {})
        if verdict.effect != "allow":
            raise NotHere(f"{peer} may not use {model!r}: {verdict.reason or verdict.effect}")
        own = node.is_own_client(peer, exchange.peer_key)
        if self.granted_only and not verdict.plugin and not own:
            raise NotHere(f"no plugin grants {model!r} to {peer}")

    def note_failed(self, peer: str, code: str, words: str) -> None:
        """Count a refused request, or an answer of an upstream that cannot be used.

        The log line about a request names the node that asked. ``ModelServer`` logs the line about
        an answer, which names the model.
        """
        if code in _REQUESTS:
            self._node.switch.report(peer, f"model_{code}", words)
        elif code in _ANSWERS:
            self._node.counters[code] += 1
