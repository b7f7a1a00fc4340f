"""The settings of a request, where each API has them, and what becomes of them where one has not.

One table: readers and writers move values by it, and the documentation's tables are made of it.
What needs more than moving (stop words, tools, formats, effort) has its row here for its place
and its loss, and is read and written by the codecs themselves.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Literal

import attrs

from clawmatrix_model_proxy.convert.neutral.codec import Unsupported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_model_proxy.convert.neutral.request import NeutralRequest

__all__ = ["SETTINGS", "Setting", "read_settings", "refuse_rest", "write_settings"]

Loss = Literal["refused", "dropped"]
"""What becomes of a setting in an API that has no place for it: an error of status 400 that names
it, or nothing at all, which is right only for hints that change no word of the answer's meaning."""


@attrs.frozen
class Setting:
    """A row of the table.

    Attributes:
        name: the setting in ``NeutralRequest.settings``.
        chat, responses, messages: where each API has it, dots between levels; None where it has
            not.
        loss: what becomes of it in an API that has not.
        idle: values that ask for nothing, and are therefore no loss anywhere.
        why: the reason for a value to be dropped, or a word on how it is carried.
        moved: False where a codec reads and writes it by itself.
    """

    name: str
    chat: str | None = None
    responses: str | None = None
    messages: str | None = None
    loss: Loss = "refused"
    idle: tuple[Any, ...] = ()
    why: str = ""
    moved: bool = True

    def place(self, api: str) -> str | None:
        """Return where an API has it."""
        return {"chat": self.chat, "responses": self.responses, "messages": self.messages}.get(api)


SETTINGS: tuple[Setting, ...] = (
    Setting("max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens", moved=False),
    Setting("temperature", "temperature", "temperature", "temperature"),
    Setting("top_p", "top_p", "top_p", "top_p"),
    Setting("top_k", messages="top_k"),
    Setting("stop", "stop", None, "stop_sequences", idle=([],), moved=False),
    Setting("frequency_penalty", "frequency_penalty", idle=(0,)),
    Setting("presence_penalty", "presence_penalty", idle=(0,)),
    Setting("logit_bias", "logit_bias", idle=({},)),
    Setting("seed", "seed"),
    Setting("n", "n", idle=(1,)),
    Setting("logprobs", "logprobs", "include", None, idle=(False,), moved=False),
    Setting("top_logprobs", "top_logprobs", "top_logprobs", None, idle=(0,)),
    Setting("user", "user", "user", "metadata.user_id"),
    Setting(
        "safety_identifier",
        "safety_identifier",
        "safety_identifier",
        loss="dropped",
        why="who asks is the upstream's key there",
    ),
    Setting(
        "metadata",
        "metadata",
        "metadata",
        loss="dropped",
        idle=({},),
        why="labels for what is stored, and nothing is stored there",
    ),
    Setting(
        "client_metadata",
        responses="client_metadata",
        loss="dropped",
        why="what a client says of itself",
    ),
    Setting(
        "store",
        "store",
        "store",
        loss="dropped",
        why="nothing is stored there; a later `previous_response_id` is refused",
        moved=False,
    ),
    Setting(
        "service_tier",
        "service_tier",
        "service_tier",
        "service_tier",
        idle=("auto",),
        why="`default` and `standard_only` are each other; others are refused",
        moved=False,
    ),
    Setting(
        "prompt_cache_key",
        "prompt_cache_key",
        "prompt_cache_key",
        loss="dropped",
        why="a hint to the cache",
    ),
    Setting(
        "prompt_cache_retention",
        "prompt_cache_retention",
        "prompt_cache_retention",
        loss="dropped",
        why="a hint to the cache",
    ),
    Setting(
        "prompt_cache_options",
        "prompt_cache_options",
        "prompt_cache_options",
        loss="dropped",
        why="a hint to the cache",
    ),
    Setting(
        "cache_control",
        messages="cache_control",
        loss="dropped",
        why="a hint to the cache; on blocks too",
    ),
    Setting("effort", "reasoning_effort", "reasoning.effort", "output_config.effort", moved=False),
    Setting(
        "thinking",
        messages="thinking",
        loss="dropped",
        why="`disabled` becomes the effort `none`, a budget an effort where none is given",
        moved=False,
    ),
    Setting(
        "reasoning_summary",
        responses="reasoning.summary",
        loss="dropped",
        why="reasoning comes as the upstream gives it",
    ),
    Setting(
        "encrypted_reasoning",
        responses="include",
        loss="dropped",
        why="what an upstream seals comes always, and a chat upstream seals nothing",
        moved=False,
    ),
    Setting("verbosity", "verbosity", "text.verbosity", loss="dropped", why="a hint to the style"),
    Setting("truncation", responses="truncation", idle=("disabled",)),
    Setting("max_tool_calls", responses="max_tool_calls"),
    Setting("background", responses="background", idle=(False,)),
    Setting("conversation", responses="conversation"),
    Setting("prompt", responses="prompt"),
    Setting("previous_response_id", responses="previous_response_id"),
    Setting("context_management", responses="context_management", idle=([],)),
    Setting("modalities", "modalities", idle=(["text"],)),
    Setting("audio", "audio"),
    Setting("prediction", "prediction", loss="dropped", why="it only makes the answer quicker"),
    Setting("web_search_options", "web_search_options"),
    Setting("moderation", "moderation", "moderation"),
    Setting("container", messages="container"),
    Setting("mcp_servers", messages="mcp_servers", idle=([],)),
    Setting(
        "claude_context_management",
        messages="context_management",
        idle=({"edits": []}, {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}),
    ),
    Setting(
        "diagnostics",
        messages="diagnostics",
        loss="dropped",
        why="it asks for a word about the cache, beside the answer",
    ),
    Setting("inference_geo", messages="inference_geo"),
    Setting("speed", messages="speed", idle=("standard",)),
    Setting(
        "stream_options",
        "stream_options",
        "stream_options",
        loss="dropped",
        why="`include_usage` is kept to; padding is the upstream's own affair",
        moved=False,
    ),
)


def read_settings(api: str, body: dict[str, Any]) -> dict[str, Any]:
    """Take the moved settings of an API out of a request's body, which is changed.

    A ``null`` is the same as nothing.
    """
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        place = setting.place(api)
        if place is not None and setting.moved:
            value = _take(body, place)
            if value is not None:
                found[setting.name] = value
    return found


def refuse_rest(body: Mapping[str, Any], known: frozenset[str] = frozenset()) -> None:
    """Refuse what is left in a body that a codec has taken all from that it knows.

    Empty objects, of which everything was taken, and ``null`` are nothing.
    Raises: Unsupported, with the first by name.
    """
    for name, value in body.items():
        if value is not None and value != {} and name not in known:
            raise Unsupported(name, "is not known here, so it cannot be put into another API")


def write_settings(api: str, request: NeutralRequest, body: dict[str, Any]) -> None:
    """Put the moved settings of a request where an API has them, in the body of another.

    Settings that codecs read and write by themselves are only looked at where the API has no
    place for them. Raises: Unsupported, for one that may not be dropped.
    """
    for setting in SETTINGS:
        value = request.settings.get(setting.name)
        if value is None:
            continue
        place = setting.place(api)
        if place is None:
            if setting.loss == "refused" and value not in setting.idle:
                where = setting.place(request.api) or setting.name
                raise Unsupported(where, f"the upstream's API, {api}, has no place for it")
        elif setting.moved:
            _put(body, place, deepcopy(value))


def _take(body: dict[str, Any], place: str) -> Any:
    *levels, last = place.split(".")
    for level in levels:
        inner = body.get(level)
        if not isinstance(inner, dict):
            return None
        body = inner
    return body.pop(last, None)


def _put(body: dict[str, Any], place: str, value: Any) -> None:
    *levels, last = place.split(".")
    for level in levels:
        body = body.setdefault(level, {})
    body[last] = value
