"""One request, made to keep to the rules of the API that it goes to. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_model_proxy.convert.fit.schemas import fitting_format, fitting_tool
from clawmatrix_model_proxy.convert.fit.settings import fitting_settings
from clawmatrix_model_proxy.convert.fit.spellings import spellings
from clawmatrix_model_proxy.convert.fit.tool_names import renamed, tool_names
from clawmatrix_model_proxy.convert.fit.tool_results import ordered
from clawmatrix_model_proxy.neutral.codec import HasRules, Unsupported
from clawmatrix_model_proxy.neutral.rules import NO_RULES
from clawmatrix_model_proxy.neutral.settings import place_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_model_proxy.neutral.request import NeutralRequest, ResponseFormat
    from clawmatrix_model_proxy.neutral.rules import ApiRules

__all__ = ["Fitted", "fitted", "rules_of"]

_FORMATS = {"chat": "response_format", "responses": "text.format"}
"""Where clients say that they want JSON without a schema; Messages has no such wish."""


@attrs.frozen
class Fitted:
    """What an upstream is asked, and what this node has to do about the answer.

    Attributes:
        request: what the upstream is asked; its ``dropped`` names what was left behind.
        names: the client's names of tools, by those that the upstream has in their place.
        stops: sequences at which this node cuts the text of the answer.
        wants_json: this node sees to it that the answer is a JSON object.
    """

    request: NeutralRequest
    names: Mapping[str, str] = attrs.field(factory=dict)
    stops: tuple[str, ...] = ()
    wants_json: bool = False


def rules_of(codec: object) -> ApiRules:
    """Return the rules of a codec's API; one that has none takes everything."""
    return codec.rules if isinstance(codec, HasRules) else NO_RULES


def fitted(request: NeutralRequest, rules: ApiRules, *, strict: bool) -> Fitted:
    """Return a request as an API takes it. Raises: Unsupported.

    Args:
        strict: whether the model refuses what could be left out, or done by this node.
    """
    request = attrs.evolve(request, strict=strict, dropped=[])
    request = fitting_settings(ordered(request, rules.call_ids), rules)
    names = tool_names(request, rules.tool_names) if rules.tool_names else {}
    request, stops = _stops(_schemas(renamed(request, names), rules), rules)
    request, wants_json = _json(request, rules)
    return Fitted(request, {other: name for name, other in names.items()}, stops, wants_json)


def _schemas(request: NeutralRequest, rules: ApiRules) -> NeutralRequest:
    tools, form = request.tools, request.format
    if rules.schemas is not None:
        tools = tuple(fitting_tool(tool, rules.schemas) for tool in tools)
        form = form and fitting_format(form, rules.schemas)
    if form is not None and rules.format_names is not None:
        name = spellings((form.name,), rules.format_names).get(form.name, form.name)
        form = attrs.evolve(form, name=name)
    return attrs.evolve(request, tools=tools, format=form)


def _stops(request: NeutralRequest, rules: ApiRules) -> tuple[NeutralRequest, tuple[str, ...]]:
    """Return a request with the sequences that the API takes, and the others.

    An empty sequence stops nothing anywhere.
    """
    stops = [stop for stop in request.settings.get("stop") or () if stop]
    if rules.stops is None or not stops:
        return request, ()
    taken = [stop for stop in stops if rules.stops.blank or stop.strip()][: rules.stops.most]
    cut = tuple(stop for stop in stops if stop not in taken)
    if cut and request.strict:
        raise Unsupported(place_of(request, "stop"), f"the upstream does not take {cut[0]!r}")
    settings = {name: value for name, value in request.settings.items() if name != "stop"}
    return attrs.evolve(request, settings=settings | ({"stop": taken} if taken else {})), cut


def _json(request: NeutralRequest, rules: ApiRules) -> tuple[NeutralRequest, bool]:
    """Return a request without a wish for JSON that the API has no place for, and whether it had.

    Nothing takes its place: what the model is told stays the client's affair.
    """
    form: ResponseFormat | None = request.format
    if rules.json or form is None or form.kind != "json":
        return request, False
    if request.strict:
        where = _FORMATS.get(request.api, "format")
        raise Unsupported(where, "the upstream's API wants a schema that says what is in the JSON")
    return attrs.evolve(request, format=None), True
