"""What a Gemini request says beside the conversation: tools, the answer's shape, and settings."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from clawmatrix_gemini.names import API, thinks_by_budget
from clawmatrix_gemini.rules import budget_range
from clawmatrix_model_proxy.api import Unsupported, effort_of, write_settings

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import NeutralRequest, Tool, ToolChoice

__all__ = ["write_config", "write_tools"]

_CONFIG = "generationConfig"
_PLACES = {
    "temperature": f"{_CONFIG}.temperature",
    "top_p": f"{_CONFIG}.topP",
    "top_k": f"{_CONFIG}.topK",
    "frequency_penalty": f"{_CONFIG}.frequencyPenalty",
    "presence_penalty": f"{_CONFIG}.presencePenalty",
    "seed": f"{_CONFIG}.seed",
}
_OWN = ("max_tokens", "stop", "effort", "thinking", "reasoning_summary")
_LEVELS = {
    "none": "MINIMAL",
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
_BUDGETS = {
    "none": 0,
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 24_576,
    "max": 24_576,
}


# --- settings


def write_config(request: NeutralRequest, model: str, body: dict[str, Any]) -> None:
    """Put settings and the answer's shape into a request's body. Raises: Unsupported."""
    settings = request.settings
    config: dict[str, Any] = body.setdefault(_CONFIG, {})
    write_settings(API, request, body, places=_PLACES, own=_OWN)
    if settings.get("max_tokens") is not None:
        config["maxOutputTokens"] = settings["max_tokens"]
    if stop := settings.get("stop"):
        config["stopSequences"] = list(stop)
    if thinking := _thinking(request, model):
        config["thinkingConfig"] = thinking
    if request.format is not None and request.format.kind != "text":
        config["responseMimeType"] = "application/json"
        if request.format.schema is not None:
            config["responseJsonSchema"] = deepcopy(request.format.schema)
    if not config:
        del body[_CONFIG]


def _thinking(request: NeutralRequest, model: str) -> dict[str, Any]:
    """Return how much to think, and whether the client wants to see it."""
    settings, effort = request.settings, effort_of(request.settings)
    thinking = settings.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    found: dict[str, Any] = {}
    if effort is not None and effort not in _LEVELS:
        raise Unsupported("effort", f"Gemini has no effort {effort!r}")
    if effort is not None and thinks_by_budget(model):
        exact = budget if isinstance(budget, int) and effort != "none" else None
        wanted = _BUDGETS[effort] if exact is None else exact
        found["thinkingBudget"] = budget_range(model).nearest(wanted)
    elif effort is not None:
        found["thinkingLevel"] = _LEVELS[effort]
    summary = settings.get("reasoning_summary")
    asked = effort or thinking or summary
    if asked and effort != "none" and summary != "none":
        found["includeThoughts"] = True
    return found


# --- tools


def write_tools(request: NeutralRequest, body: dict[str, Any]) -> None:
    """Put tools, and the choice among them, into a request's body. Raises: Unsupported."""
    if not request.tools:
        if request.tool_choice is not None and request.tool_choice.mode in ("required", "named"):
            raise Unsupported("tool_choice", "there are no tools to choose from")
        return
    declared = [_declaration(tool, f"tools[{at}]") for at, tool in enumerate(request.tools)]
    body["tools"] = [{"functionDeclarations": declared}]
    strict = any(tool.strict for tool in request.tools)
    if calling := _calling(request.tool_choice, strict=strict):
        body["toolConfig"] = {"functionCallingConfig": calling}


def _declaration(tool: Tool, where: str) -> dict[str, Any]:
    if tool.free:
        raise Unsupported(where, f"the tool {tool.name!r} takes text; in Gemini all take JSON")
    found: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        found["description"] = tool.description
    if tool.parameters:
        found["parametersJsonSchema"] = deepcopy(tool.parameters)
    return found


def _calling(choice: ToolChoice | None, *, strict: bool) -> dict[str, Any]:
    """Return the mode of calling; ``strict`` wants arguments that fit their schema."""
    mode, names = ("auto", ()) if choice is None else (choice.mode, choice.names)
    if mode == "none":
        return {"mode": "NONE"}
    named = {"allowedFunctionNames": list(names)} if names else {}
    if mode == "auto":
        return {"mode": "VALIDATED", **named} if strict or names else {}
    return {"mode": "ANY", **named}
