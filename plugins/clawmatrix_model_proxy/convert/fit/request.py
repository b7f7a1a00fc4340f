"""One request, made to keep to the rules of the API that it goes to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from clawmatrix_model_proxy.convert.fit.schemas import fitting_format, fitting_tool
from clawmatrix_model_proxy.convert.fit.settings import fitting_settings
from clawmatrix_model_proxy.convert.fit.spellings import spellings
from clawmatrix_model_proxy.convert.fit.tool_names import (
    tool_names,
    with_chosen_names,
    with_tool_names,
)
from clawmatrix_model_proxy.convert.fit.tool_results import ordered
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.rules import NO_RULES
from clawmatrix_model_proxy.neutral.settings import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_model_proxy.neutral.request import NeutralRequest, ResponseFormat, Tool
    from clawmatrix_model_proxy.neutral.rules import ApiRules

__all__ = ["Fitted", "fitted", "rules_of"]

_FORMATS = {"chat": "response_format", "responses": "text.format"}
"""Where clients say that they want JSON without a schema; Messages has no such wish."""


class Fitted(msgspec.Struct, frozen=True):
    """What an upstream is asked, and what this node has to do about the answer.

    Attributes:
        request: what the upstream is asked; its ``dropped`` names what was left behind.
        names: the client's names of tools, by those that the upstream has in their place.
        stops: sequences at which this node cuts the text of the answer.
        wants_json: this node sees to it that the answer is a JSON object.
    """

    request: NeutralRequest
    names: Mapping[str, str] = msgspec.field(default_factory=dict)
    stops: tuple[str, ...] = ()
    wants_json: bool = False


def rules_of(codec: object) -> ApiRules:
    """Return the rules of a codec's API; one that has none takes everything."""
    rules: ApiRules = getattr(codec, "rules", NO_RULES)  # as ``HasRules`` has it
    return rules


def fitted(request: NeutralRequest, rules: ApiRules, *, strict: bool) -> Fitted:
    """Return a request as an API takes it. Raises: Unsupported.

    Args:
        strict: whether the model refuses what could be left out, or done by this node.
    """
    request = attrs.evolve(request, strict=strict, dropped=[])
    names = tool_names(request, rules.tool_names) if rules.tool_names else {}
    form, wants_json = _format(request, rules)
    settings = fitting_settings(request, rules)
    settings, stops = _stops(request, settings, rules)
    fit = attrs.evolve(
        request,
        turns=with_tool_names(ordered(request, rules.call_ids), names),
        tools=tuple(_tool(tool, names, rules) for tool in request.tools),
        tool_choice=with_chosen_names(request.tool_choice, names),
        format=form,
        settings=settings,
    )
    return Fitted(fit, {other: name for name, other in names.items()}, stops, wants_json)


def _tool(tool: Tool, names: Mapping[str, str], rules: ApiRules) -> Tool:
    if tool.name in names:
        tool = attrs.evolve(tool, name=names[tool.name])
    return tool if rules.schemas is None else fitting_tool(tool, rules.schemas)


def _format(request: NeutralRequest, rules: ApiRules) -> tuple[ResponseFormat | None, bool]:
    """Return the shape of an answer that the API takes, and whether this node sees to JSON.

    Nothing takes the place of the wish for it: what the model is told stays the client's affair.
    """
    form = request.format
    if form is None or (form.kind == "json" and not rules.json and not request.strict):
        return None, form is not None
    if form.kind == "json" and not rules.json:
        where = _FORMATS.get(request.api, "format")
        raise Unsupported(where, "the upstream's API wants a schema that says what is in the JSON")
    if rules.format_names is not None:
        name = spellings((form.name,), rules.format_names).get(form.name, form.name)
        form = attrs.evolve(form, name=name)
    return (form if rules.schemas is None else fitting_format(form, rules.schemas)), False


def _stops(
    request: NeutralRequest, settings: dict[str, Any], rules: ApiRules
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return settings with the sequences that the API takes, and the other sequences.

    An empty sequence stops nothing anywhere.
    """
    stops = [stop for stop in settings.get("stop") or () if stop]
    if rules.stops is None or not stops:
        return settings, ()
    taken = [stop for stop in stops if rules.stops.blank or stop.strip()][: rules.stops.most]
    there = {*taken}
    cut = tuple(stop for stop in stops if stop not in there)
    if cut and request.strict:
        raise Unsupported(place_of(request, "stop"), f"the upstream does not take {cut[0]!r}")
    others = {name: value for name, value in settings.items() if name != "stop"}
    return others | ({"stop": taken} if taken else {}), cut
