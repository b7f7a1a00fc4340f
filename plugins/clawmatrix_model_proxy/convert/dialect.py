"""What servers that speak chat completions differ in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_model_proxy.neutral.request import Text, Turn

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.neutral.request import NeutralRequest, Role

__all__ = ["DEVELOPER_SAYS", "for_upstream", "in_dialect"]

DEVELOPER_SAYS = "<developer>\n{}\n</developer>"
"""How a text of the developer's is marked in a message of the user's."""

_LIMIT = "max_completion_tokens"
_SYSTEM = ("system", "developer")


def for_upstream(request: NeutralRequest, api: str, model: ModelUpstream) -> NeutralRequest:
    """Return a request with roles that the upstream knows; ``api`` is what it speaks.

    Of the servers of chat completions many do not know ``developer``, and all know ``system``.
    Many chat templates take one text of the system's, and that at the beginning.
    """
    if api != "chat" or not any(turn.role in _SYSTEM for turn in request.turns):
        return request
    turns = request.turns
    users = (at for at, turn in enumerate(turns) if turn.role == "user")
    first = next(users, len(turns))
    said = [turn for turn in turns[:first] if turn.role in _SYSTEM]
    others = [turn for turn in turns[:first] if turn.role not in _SYSTEM]
    later = (_later(turn, model) for turn in turns[first:])
    return attrs.evolve(request, turns=(*_at_first(said, model), *others, *later))


def in_dialect(body: dict[str, Any], api: str, model: ModelUpstream) -> dict[str, Any]:
    """Return a written request with the limit of the answer under the upstream's name for it."""
    if api != "chat" or model.max_tokens_field == _LIMIT or _LIMIT not in body:
        return body
    rest = {name: value for name, value in body.items() if name != _LIMIT}
    return {**rest, model.max_tokens_field: body[_LIMIT]}


def _at_first(said: list[Turn], model: ModelUpstream) -> list[Turn]:
    """Return what system and developer say before the user's first turn, as one turn."""
    if len(said) == 1:
        return [_known(said[0], model)]
    texts = [part.text for turn in said for part in turn.parts if isinstance(part, Text)]
    others = [part for turn in said for part in turn.parts if not isinstance(part, Text)]
    words = [Text("\n\n".join(filter(None, texts)))] if texts else []
    role: Role = "developer" if {turn.role for turn in said} == {"developer"} else "system"
    return [_known(Turn(role, (*words, *others)), model)] if said else []


def _known(turn: Turn, model: ModelUpstream) -> Turn:
    if turn.role == "developer" and not model.developer_role:
        return attrs.evolve(turn, role="system")
    return turn


def _later(turn: Turn, model: ModelUpstream) -> Turn:
    """Return what is said behind the user's first turn: system and developer as the user there."""
    if turn.role not in _SYSTEM or model.system_anywhere or model.developer_role:
        return _known(turn, model)
    words = "\n\n".join(part.text for part in turn.parts if isinstance(part, Text))
    others = (part for part in turn.parts if not isinstance(part, Text))
    return Turn("user", (Text(DEVELOPER_SAYS.format(words)), *others))
