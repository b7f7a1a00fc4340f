"""The settings that the Messages API has in a form of its own: thinking, formats, tiers, stops."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.codec import Unsupported
from clawmatrix_model_proxy.convert.effort import effort_of
from clawmatrix_model_proxy.convert.messages_shapes import known, listed, mapping, number, text
from clawmatrix_model_proxy.convert.request import Format
from clawmatrix_model_proxy.convert.settings import SETTINGS

if TYPE_CHECKING:
    from clawmatrix_model_proxy.convert.request import Request

__all__ = ["place", "read_format", "read_own", "write_own"]

_THINKING = frozenset({"enabled", "disabled", "adaptive", "between_tools"})
_TIERS = {"auto": "auto", "standard_only": "default"}
_EFFORTS = {"minimal": "low"} | {name: name for name in ("low", "medium", "high", "xhigh", "max")}
_FORMATS = {"chat": "response_format", "responses": "text.format", "messages": "output_config"}


def place(request: Request, name: str) -> str:
    """Return where a setting stood in the request, as its source has it."""
    [setting] = [setting for setting in SETTINGS if setting.name == name]
    return setting.place(request.api) or name


# --- read


def read_own(body: dict[str, Any]) -> dict[str, Any]:
    """Take the settings out of a request's body, which is changed. Raises: Unsupported."""
    settings: dict[str, Any] = {}
    if (limit := body.pop("max_tokens", None)) is not None:
        settings["max_tokens"] = number(limit, "max_tokens")
    if (stops := listed(body.pop("stop_sequences", None), "stop_sequences")) != []:
        settings["stop"] = [text(stop, f"stop_sequences[{at}]") for at, stop in enumerate(stops)]
    if (tier := body.pop("service_tier", None)) is not None:
        settings["service_tier"] = _read_tier(text(tier, "service_tier"))
    thinking, config = body.pop("thinking", None), body.get("output_config") or {}
    if thinking is not None:
        settings["thinking"] = _read_thinking(mapping(thinking, "thinking"))
    effort = mapping(config, "output_config").pop("effort", None)
    if effort is not None and settings.get("thinking", {}).get("type") != "disabled":
        settings["effort"] = text(effort, "output_config.effort")
    if (effort := effort_of(settings)) is not None:
        settings["effort"] = effort
    return settings


def _read_tier(tier: str) -> str:
    if tier not in _TIERS:
        raise Unsupported("service_tier", f"{tier!r} cannot be put into another API")
    return _TIERS[tier]


def _read_thinking(thinking: dict[str, Any]) -> dict[str, Any]:
    known(thinking, "thinking", ("type", "budget_tokens", "display"))
    if text(thinking.get("type"), "thinking.type") not in _THINKING:
        raise Unsupported("thinking.type", f"{thinking['type']!r} is not known here")
    if thinking["type"] == "enabled":
        number(thinking.get("budget_tokens"), "thinking.budget_tokens")
    return dict(thinking)


def read_format(body: dict[str, Any]) -> Format | None:
    """Take the format out of a request's body, which is changed. Raises: Unsupported."""
    config = mapping(body.get("output_config") or {}, "output_config")
    value = config.pop("format", None)
    if value is None:
        return None
    where = "output_config.format"
    format = mapping(value, where)
    known(format, where, ("type", "schema"))
    if format.get("type") != "json_schema":
        raise Unsupported(f"{where}.type", f"{format.get('type')!r} is not known here")
    return Format("schema", deepcopy(mapping(format.get("schema"), f"{where}.schema")))


# --- write


def write_own(request: Request, body: dict[str, Any], *, max_tokens: int) -> None:
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
    if (thinking := _written_thinking(settings.get("thinking"), effort)) is not None:
        body["thinking"] = thinking


def _written_tier(tier: Any, request: Request) -> str:
    for ours, neutral in _TIERS.items():
        if tier == neutral:
            return ours
    raise Unsupported(place(request, "service_tier"), f"Messages has no tier {tier!r}")


def _written_effort(effort: Any, request: Request) -> str:
    written = _EFFORTS.get(effort) if isinstance(effort, str) else None
    if written is None:
        raise Unsupported(place(request, "effort"), f"Messages has no effort {effort!r}")
    return written


def _written_thinking(thinking: Any, effort: Any) -> dict[str, Any] | None:
    if thinking is not None:
        return dict(thinking)
    if effort is None:
        return None
    return {"type": "disabled" if effort == "none" else "adaptive"}


def _written_format(request: Request) -> dict[str, Any]:
    format = request.format
    if format is None or format.kind == "text":
        return {}
    if format.schema is None:
        where = _FORMATS.get(request.api, "format")
        raise Unsupported(where, "in Messages, JSON needs a schema that says what is in it")
    return {"format": {"type": "json_schema", "schema": deepcopy(format.schema)}}
