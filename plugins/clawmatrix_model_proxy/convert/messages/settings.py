"""The settings that the Messages API has in a form of its own: thinking, formats, tiers, stops."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.effort import effort_of
from clawmatrix_model_proxy.neutral.fields import Fields
from clawmatrix_model_proxy.neutral.request import ResponseFormat
from clawmatrix_model_proxy.neutral.settings import place_of

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["read_own", "write_own"]

_THINKING = frozenset({"enabled", "disabled", "adaptive", "between_tools"})
_TIERS = {"auto": "auto", "standard_only": "default"}
_DISPLAYS = {"summarized": "auto", "omitted": "none"}
"""Whether thoughts are shown, and the summary of them that is asked for in Responses."""
_EFFORTS = {"minimal": "low"} | {name: name for name in ("low", "medium", "high", "xhigh", "max")}
_FORMATS = {
    "chat": "response_format",
    "responses": "text.format",
    "messages": "output_config.format",
}


# --- read


def read_own(body: Fields) -> tuple[dict[str, Any], ResponseFormat | None]:
    """Take the settings, and the format, out of a request's body. Raises: Unsupported."""
    settings: dict[str, Any] = {}
    if (limit := body.take("max_tokens", int)) is not None:
        settings["max_tokens"] = limit
    if stops := body.take("stop_sequences", list):
        settings["stop"] = [_stop(stop, at) for at, stop in enumerate(stops)]
    if (tier := body.take("service_tier", str)) is not None:
        settings["service_tier"] = _read_tier(tier)
    if (thinking := body.take("thinking", dict)) is not None:
        settings["thinking"] = _read_thinking(thinking)
        if (display := thinking.get("display")) is not None:
            settings["reasoning_summary"] = _read_display(display)
    config = Fields(body.take("output_config", dict) or {}, "output_config")
    effort, format = config.take("effort", str), _read_format(config)
    config.end()
    if effort is not None and settings.get("thinking", {}).get("type") != "disabled":
        settings["effort"] = effort
    if (effort := effort_of(settings)) is not None:
        settings["effort"] = effort
    return settings, format


def _stop(stop: Any, at: int) -> str:
    if not isinstance(stop, str):
        raise Unsupported(f"stop_sequences[{at}]", "must be a string")
    return stop


def _read_tier(tier: str) -> str:
    if tier not in _TIERS:
        raise Unsupported("service_tier", f"{tier!r} cannot be put into another API")
    return _TIERS[tier]


def _read_thinking(thinking: dict[str, Any]) -> dict[str, Any]:
    fields = Fields(thinking, "thinking")
    kind = fields.need("type", str)
    if kind not in _THINKING:
        raise Unsupported("thinking.type", f"{kind!r} is not known here")
    if kind == "enabled":
        fields.need("budget_tokens", int)
    fields.ignore("display")
    fields.end()
    return dict(thinking)


def _read_display(display: Any) -> str:
    if not isinstance(display, str) or display not in _DISPLAYS:
        raise Unsupported("thinking.display", f"{display!r} is not known here")
    return _DISPLAYS[display]


def _read_format(config: Fields) -> ResponseFormat | None:
    if config.left.get("format") is None:
        return None
    format = config.within("format")
    kind, schema = format.need("type", str), format.take("schema", dict)
    format.end()
    if kind != "json_schema" or schema is None:
        raise Unsupported(format.at("type"), f"{kind!r} is not known here, or has no schema")
    return ResponseFormat("schema", deepcopy(schema))


# --- write


def write_own(request: NeutralRequest, body: dict[str, Any], *, max_tokens: int) -> None:
    """Put the settings into the body of a request. Raises: Unsupported."""
    settings = request.settings
    body["max_tokens"] = settings.get("max_tokens", max_tokens)
    if stops := settings.get("stop"):
        body["stop_sequences"] = [stops] if isinstance(stops, str) else list(stops)
    if (tier := settings.get("service_tier")) is not None:
        body["service_tier"] = _written_tier(tier, request)
    config = {**_written_format(request)}
    effort = settings.get("effort")
    if effort not in (None, "none"):
        config["effort"] = _written_effort(effort, request)
    if config:
        body["output_config"] = config
    if (thinking := _written_thinking(settings, effort)) is not None:
        body["thinking"] = thinking


def _written_tier(tier: Any, request: NeutralRequest) -> str:
    for ours, neutral in _TIERS.items():
        if tier == neutral:
            return ours
    raise Unsupported(place_of(request, "service_tier"), f"Messages has no tier {tier!r}")


def _written_effort(effort: Any, request: NeutralRequest) -> str:
    written = _EFFORTS.get(effort) if isinstance(effort, str) else None
    if written is None:
        raise Unsupported(place_of(request, "effort"), f"Messages has no effort {effort!r}")
    return written


def _written_thinking(settings: dict[str, Any], effort: Any) -> dict[str, Any] | None:
    thinking, summary = settings.get("thinking"), settings.get("reasoning_summary")
    if thinking is not None:
        return dict(thinking)
    if effort is None:
        return None
    if effort == "none" or summary is None:
        return {"type": "disabled" if effort == "none" else "adaptive"}
    return {"type": "adaptive", "display": "omitted" if summary == "none" else "summarized"}


def _written_format(request: NeutralRequest) -> dict[str, Any]:
    format = request.format
    if format is None or format.kind == "text":
        return {}
    if format.schema is None:
        where = _FORMATS.get(request.api, "format")
        raise Unsupported(where, "in Messages, JSON needs a schema that says what is in it")
    return {"format": {"type": "json_schema", "schema": deepcopy(format.schema)}}
