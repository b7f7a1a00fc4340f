"""Which candidates can be told all that a request says: those are asked before the others.

A request reaches an upstream of its own API as it is. One of another API may have no place for a
setting, and is asked without it where that is right. So this is looked at only where the candidates
of a request speak different APIs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.request_body import members_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from msgspec import Raw

    from clawmatrix_core import JSON
    from clawmatrix_model_proxy.asking.catalog import Choice
    from clawmatrix_model_proxy.neutral.settings import Setting

__all__ = ["carriers_first"]

_FORMATS = {
    "openai-completions": "chat",
    "openai-responses": "responses",
    "anthropic-messages": "messages",
}
"""What upstreams of an API take as it is. Of other APIs nothing is known here."""
_REFUSED = 100
"""What a setting counts that makes a candidate refuse; one that it is asked without counts 1."""


def carriers_first(choice: Choice, format: str, body: bytes) -> Choice:
    """Return a choice that says how much of a request each of its targets cannot be told.

    Args:
        format: the API that the request is written in.
        body: the request.
    """
    apis = {target.api for target in choice.targets}
    if len(apis) < 2:
        return choice
    try:
        members = members_of(body)
        lost = {api: _lost(_FORMATS.get(api, ""), format, members) for api in apis}
    except (*NOT_JSON, ApiError):
        return choice  # whoever is asked says what is wrong with it
    losses = {target: count for target in choice.targets if (count := lost[target.api])}
    return msgspec.structs.replace(choice, losses=losses) if losses else choice


def _lost(api: str, format: str, members: Mapping[str, Raw]) -> int:
    if not api or api == format:
        return 0
    counts = [_weight(one) for one in _given(format, members) if one.place(api) is None]
    return sum(counts) + (api == "messages" and _wants_json(members))


def _weight(setting: Setting) -> int:
    return _REFUSED if setting.loss == "refused" else 1


def _given(format: str, members: Mapping[str, Raw]) -> Iterator[Setting]:
    """Give the settings of a request that are no mere convenience."""
    from clawmatrix_model_proxy.neutral.settings import SETTINGS  # most requests do without

    for setting in SETTINGS:
        raw = members.get(setting.place_in(format)) if setting.loss != "dropped" else None
        value = None if raw is None else decode(bytes(raw))
        if value is not None and value not in setting.idle:
            yield setting


def _wants_json(members: Mapping[str, Raw]) -> bool:
    """Say whether JSON without a schema is wanted."""
    form = _object(members, "response_format") or _object(members, "text").get("format")
    return isinstance(form, dict) and form.get("type") == "json_object"


def _object(members: Mapping[str, Raw], name: str) -> dict[str, JSON]:
    found = decode(bytes(members[name])) if name in members else None
    return found if isinstance(found, dict) else {}
