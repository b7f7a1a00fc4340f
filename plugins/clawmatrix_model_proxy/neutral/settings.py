"""The settings of a request, where each API has them, and what becomes of them where one has not.

One table: readers and writers move values by it, and the documentation's tables are made of it.
An API that only upstreams speak says its own places; see ``write_settings``.
What needs more than moving (stop words, tools, formats, effort) has its row here for its place
and its loss, and is read and written by the codecs themselves.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - part of the values
from copy import deepcopy
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import msgspec

from clawmatrix_model_proxy.neutral.codec import Unsupported

if TYPE_CHECKING:
    from collections.abc import Collection

    from clawmatrix_core import JSON
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = [
    "SETTINGS",
    "Setting",
    "leave",
    "place_of",
    "read_settings",
    "refuse_rest",
    "write_settings",
]

Loss = Literal["refused", "hint", "dropped", "done here"]
"""What becomes of a setting in an API that has no place for it: an error of status 400 that names
it, or nothing at all, which is right only where it changes no word of the answer's meaning. A
``hint`` says how words are chosen: it is dropped, but refused by a model that is strict. What is
``done here`` this node does in the upstream's place, by the rules of its API; else it is refused.
"""


class Setting(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        name: the setting in ``NeutralRequest.settings``.
        places: where each API has it, dots between levels; an API that is not here has it not.
        loss: what becomes of it in an API that has not.
        idle: values that ask for nothing, and are therefore no loss anywhere.
        why: the reason for a value to be dropped, or a word on how it is carried.
        moved: False where the codecs of clients' APIs read and write it by themselves.
        told: whether the client is told that it was dropped.
        also: where clients of an API that has it not give it all the same.
    """

    name: str
    places: Mapping[str, str]
    loss: Loss = "refused"
    idle: tuple[JSON, ...] = ()
    why: str = ""
    moved: bool = True
    told: bool = True
    also: Mapping[str, str] = msgspec.field(default_factory=dict)

    def place(self, api: str) -> str | None:
        """Return where an API has it."""
        return self.places.get(api)

    def place_in(self, api: str) -> str:
        """Return where a request of an API has it; its name, where that is not known."""
        return self.places.get(api) or self.also.get(api) or self.name


def _row(
    name: str,
    chat: str | None = None,
    responses: str | None = None,
    messages: str | None = None,
    **more: JSON,
) -> Setting:
    """Return the row of a setting, with its place in each of the clients' APIs."""
    found = {"chat": chat, "responses": responses, "messages": messages}
    return Setting(name, {api: place for api, place in found.items() if place}, **more)


SETTINGS: tuple[Setting, ...] = (
    _row("max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens", moved=False),
    _row("temperature", "temperature", "temperature", "temperature"),
    _row("top_p", "top_p", "top_p", "top_p"),
    _row("top_k", messages="top_k", loss="hint", also={"chat": "top_k"}),
    _row(
        "stop",
        "stop",
        None,
        "stop_sequences",
        loss="done here",
        idle=([],),
        why="the text is cut",
        moved=False,
    ),
    _row("frequency_penalty", "frequency_penalty", loss="hint", idle=(0,)),
    _row("presence_penalty", "presence_penalty", loss="hint", idle=(0,)),
    _row("repetition_penalty", loss="hint", idle=(1,), also={"chat": "repetition_penalty"}),
    _row("min_p", loss="hint", idle=(0,), also={"chat": "min_p"}),
    _row("top_a", loss="hint", idle=(0,), also={"chat": "top_a"}),
    _row("logit_bias", "logit_bias", loss="hint", idle=({},)),
    _row("seed", "seed", loss="hint"),
    _row("n", "n", idle=(1,)),
    _row("logprobs", "logprobs", "include", None, loss="hint", idle=(False,), moved=False),
    _row("top_logprobs", "top_logprobs", "top_logprobs", None, loss="hint", idle=(0,)),
    _row("user", "user", "user", "metadata.user_id", loss="dropped"),
    _row(
        "safety_identifier",
        "safety_identifier",
        "safety_identifier",
        loss="dropped",
        why="who asks is the upstream's key there",
    ),
    _row(
        "metadata",
        "metadata",
        "metadata",
        loss="dropped",
        idle=({},),
        why="labels for what is stored, and nothing is stored there",
    ),
    _row(
        "client_metadata",
        responses="client_metadata",
        loss="dropped",
        why="what a client says of itself",
    ),
    _row(
        "store",
        "store",
        "store",
        loss="dropped",
        idle=(False,),
        why="nothing is stored there; the node that asked remembers the answer for a while",
        moved=False,
    ),
    _row(
        "service_tier",
        "service_tier",
        "service_tier",
        "service_tier",
        idle=("auto", "default"),
        why="`default` and `standard_only` are each other; others are refused",
        moved=False,
    ),
    _row(
        "prompt_cache_key",
        "prompt_cache_key",
        "prompt_cache_key",
        loss="dropped",
        why="a hint to the cache",
    ),
    _row(
        "prompt_cache_retention",
        "prompt_cache_retention",
        "prompt_cache_retention",
        loss="dropped",
        why="a hint to the cache",
    ),
    _row(
        "prompt_cache_options",
        "prompt_cache_options",
        "prompt_cache_options",
        loss="dropped",
        why="a hint to the cache",
    ),
    _row(
        "cache_control",
        messages="cache_control",
        loss="dropped",
        why="a hint to the cache; on blocks too",
    ),
    _row("effort", "reasoning_effort", "reasoning.effort", "output_config.effort", moved=False),
    _row(
        "thinking",
        messages="thinking",
        loss="dropped",
        why="`disabled` becomes the effort `none`, a budget an effort where none is given",
        moved=False,
        told=False,
    ),
    _row(
        "reasoning_summary",
        responses="reasoning.summary",
        messages="thinking.display",
        loss="dropped",
        why="`summarized` is `auto`, `omitted` none; only where a request says how much to think",
        moved=False,
    ),
    _row(
        "encrypted_reasoning",
        responses="include",
        loss="dropped",
        why="what an upstream seals comes always, and a chat upstream seals nothing",
        moved=False,
        told=False,
    ),
    _row("verbosity", "verbosity", "text.verbosity", loss="dropped", why="a hint to the style"),
    _row("truncation", responses="truncation", idle=("disabled",)),
    _row("max_tool_calls", responses="max_tool_calls"),
    _row("background", responses="background", idle=(False,)),
    _row("conversation", responses="conversation"),
    _row("prompt", responses="prompt"),
    _row("previous_response_id", responses="previous_response_id"),
    _row("context_management", responses="context_management", idle=([],)),
    _row("modalities", "modalities", idle=(["text"],)),
    _row("audio", "audio"),
    _row("prediction", "prediction", loss="dropped", why="it only makes the answer quicker"),
    _row("web_search_options", "web_search_options"),
    _row("moderation", "moderation", "moderation"),
    _row("container", messages="container"),
    _row("mcp_servers", messages="mcp_servers", idle=([],)),
    _row(
        "claude_context_management",
        messages="context_management",
        idle=({"edits": []}, {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}),
    ),
    _row(
        "diagnostics",
        messages="diagnostics",
        loss="dropped",
        why="it asks for a word about the cache, beside the answer",
    ),
    _row("inference_geo", messages="inference_geo"),
    _row("speed", messages="speed", idle=("standard",)),
    _row(
        "stream_options",
        "stream_options",
        "stream_options",
        loss="dropped",
        why="`include_usage` is kept to; padding is the upstream's own affair",
        moved=False,
        told=False,
    ),
)


def read_settings(api: str, body: dict[str, JSON]) -> dict[str, JSON]:
    """Take the moved settings of an API out of a request's body, which is changed.

    A ``null`` is the same as nothing.
    """
    found: dict[str, JSON] = {}
    for name, place in _moved_from(api):
        value = body.pop(place, None) if "." not in place else _take(body, place)
        if value is not None:
            found[name] = value
    return found


@lru_cache(maxsize=8)
def _moved_from(api: str) -> tuple[tuple[str, str], ...]:
    """Return the settings that are moved out of an API's requests, and their places there."""
    places = ((one.name, one.also.get(api) or one.place(api)) for one in SETTINGS if one.moved)
    return tuple((name, place) for name, place in places if place is not None)


@lru_cache(maxsize=8)
def _written_to(api: str) -> tuple[dict[str, str], frozenset[str]]:
    """Return the places of settings that are moved into an API's requests, and its own ones."""
    there = [one for one in SETTINGS if api in one.places]
    places = {one.name: one.places[api] for one in there if one.moved}
    return places, frozenset(one.name for one in there if not one.moved)


def refuse_rest(body: Mapping[str, JSON], known: frozenset[str] = frozenset()) -> None:
    """Refuse what is left in a body that a codec has taken all from that it knows.

    Empty objects, of which everything was taken, and ``null`` are nothing.
    Raises: Unsupported, with the first by name.
    """
    for name, value in body.items():
        if value is not None and value != {} and name not in known:
            raise Unsupported(name, "is not known here, so it cannot be put into another API")


def write_settings(
    api: str,
    request: NeutralRequest,
    body: dict[str, JSON],
    *,
    places: Mapping[str, str] | None = None,
    own: Collection[str] = (),
) -> None:
    """Put the settings of a request where an API has them, in the body of another.

    Of settings that may not be dropped and have no place, the first is refused by its place in the
    client's request.

    Args:
        places: where ``api`` has the settings that are only moved, by their names and with dots
            between levels: ``{"top_p": "config.topP"}``.
        own: the settings that the caller writes by itself.

    Without ``places`` the table says both, for the three APIs that it has.

    Raises: Unsupported.
    """
    if places is None:
        places, own = _written_to(api)
    elif unknown := {*places, *own} - {one.name for one in SETTINGS}:
        raise ValueError(f"no setting has the name {min(unknown)!r}")
    for setting in SETTINGS:
        value = request.settings.get(setting.name)
        if value is None or setting.name in own:
            continue
        place = places.get(setting.name)
        if place is not None:
            _put(body, place, deepcopy(value))
        elif value not in setting.idle:
            _lose(setting, request, f"the upstream's API, {api}, has no place for it")


def place_of(request: NeutralRequest, name: str) -> str:
    """Return where a setting stood in the client's request."""
    [setting] = [setting for setting in SETTINGS if setting.name == name]
    return setting.place_in(request.api)


def leave(request: NeutralRequest, where: str, why: str) -> None:
    """Leave a wish of a request behind, and note its place. Raises: Unsupported, where strict."""
    if request.strict:
        raise Unsupported(where, why)
    if where not in request.dropped:
        request.dropped.append(where)


def _lose(setting: Setting, request: NeutralRequest, why: str) -> None:
    where = setting.place_in(request.api)
    if setting.loss in ("refused", "done here"):
        raise Unsupported(where, why)
    if setting.loss == "hint":
        leave(request, where, why)
    elif setting.told and where not in request.dropped:
        request.dropped.append(where)


def _take(body: dict[str, JSON], place: str) -> JSON:
    *levels, last = place.split(".")
    for level in levels:
        inner = body.get(level)
        if not isinstance(inner, dict):
            return None
        body = inner
    return body.pop(last, None)


def _put(body: dict[str, JSON], place: str, value: JSON) -> None:
    *levels, last = place.split(".")
    for level in levels:
        body = body.setdefault(level, {})
    body[last] = value
