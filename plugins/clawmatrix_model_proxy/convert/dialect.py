"""What servers that speak chat completions differ in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.neutral.request import NeutralRequest, Turn

__all__ = ["for_upstream", "in_dialect"]

_LIMIT = "max_completion_tokens"


def for_upstream(request: NeutralRequest, api: str, model: ModelUpstream) -> NeutralRequest:
    """Return a request with roles that the upstream knows; ``api`` is what it speaks.

    Of the servers of chat completions many do not know ``developer``, and all know ``system``.
    """
    if api != "chat" or model.developer_role:
        return request
    return attrs.evolve(request, turns=tuple(map(_as_system, request.turns)))


def in_dialect(body: dict[str, Any], api: str, model: ModelUpstream) -> dict[str, Any]:
    """Return a written request with the limit of the answer under the upstream's name for it."""
    if api != "chat" or model.max_tokens_field == _LIMIT or _LIMIT not in body:
        return body
    rest = {name: value for name, value in body.items() if name != _LIMIT}
    return {**rest, model.max_tokens_field: body[_LIMIT]}


def _as_system(turn: Turn) -> Turn:
    return attrs.evolve(turn, role="system") if turn.role == "developer" else turn
