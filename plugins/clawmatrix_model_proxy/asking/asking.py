"""What a request asks for, who may be asked for it, and how: the same for every client."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs

from clawmatrix_model_proxy.asking.carrying import carriers_first
from clawmatrix_model_proxy.asking.catalog import Choice
from clawmatrix_model_proxy.asking.previous_responses import PreviousResponses
from clawmatrix_model_proxy.asking.response import ProxiedResponse
from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.hold import parse_hold
from clawmatrix_model_proxy.request_body import Wanted, read_wanted
from clawmatrix_model_proxy.wire import API_HEADERS, TRACE_HEADERS, Head, Opening, trace_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from clawmatrix_core import Node
    from clawmatrix_model_proxy.asking.catalog import Catalog
    from clawmatrix_model_proxy.asking.health import Health, Target
    from clawmatrix_model_proxy.asking.later_recollection import LaterRecollection
    from clawmatrix_model_proxy.asking.limits import AskLimits
    from clawmatrix_model_proxy.streams.formats import Format
    from clawmatrix_model_proxy.workers import Workers

__all__ = ["HEADERS", "HOLD_HEADER", "Asking"]

HOLD_HEADER = "x-clawmatrix-hold"
HEADERS = ("accept", HOLD_HEADER, *API_HEADERS, *TRACE_HEADERS)
"""The headers of a request that are acted on."""
HEADER_LIMIT = 8 * 1024
"""Characters of a header that travels with a request."""


class Asking:
    """Makes an answer out of each request.

    Args:
        node: asks other nodes.
        catalog: returns who serves what, now.
        limits: returns how it asks, now.
        health: how well each target has been doing.
        workers: decode large answers for programs in this process.
        answers: which target gave which response.
        recollection: remembers answers that no upstream keeps; None where none are remembered.
    """

    def __init__(
        self,
        node: Node,
        catalog: Callable[[], Catalog],
        limits: Callable[[], AskLimits],
        health: Health,
        workers: Workers,
        answers: PreviousResponses | None = None,
        recollection: LaterRecollection | None = None,
    ) -> None:
        self.node = node
        self.workers = workers
        self.catalog = catalog
        self.limits = limits
        self.answers = PreviousResponses() if answers is None else answers
        self.recollection = recollection
        self._health = health

    def answer(
        self, body: bytes, headers: Mapping[str, str], format: Format, began: float
    ) -> ProxiedResponse:
        """Return the answer to a request, not yet asked for. Raises: ApiError.

        Args:
            body: the request, as the client wrote it.
            headers: those of HEADERS that the request has.
            format: the API that it is written in.
            began: the clock's time at which it came.
        """
        given = body
        if format.name == "responses" and self.recollection is not None:
            body = self.recollection.expanded(body)
        wanted = read_wanted(body)
        choice = self._choose(wanted)
        if len(choice.targets) > 1:
            choice = carriers_first(choice, format.name, body)
        limits = self._limits_of(headers)
        _check_lengths(headers)
        opening = Opening(
            format.name,
            choice.model,
            wanted.streams and format.streams,
            headers.get("accept"),
            headers=_travelling(headers),
            signs=wanted.streams and format.streams,
        )
        remember = partial(self._remember, given) if format.name == "responses" else None
        return ProxiedResponse(
            self.node,
            choice,
            opening,
            body,
            began=began,
            limits=limits,
            health=self._health.beside(format.name) if format.side else self._health,
            remember=remember,
        )

    def _remember(self, body: bytes, head: Head, target: Target) -> Callable[[bytes], None] | None:
        """Note who gave an answer; where nobody keeps it, return what remembers it here."""
        if head.answer_id:
            self.answers.remember(head.answer_id, target)
            return None
        return None if self.recollection is None else self.recollection.watch(body)

    def _choose(self, wanted: Wanted) -> Choice:
        choice = self.catalog().resolve(wanted.model, self.node.reachable)
        if wanted.previous is None:
            return choice
        target = self.answers.find(wanted.previous)
        if target is None or target not in choice.targets:
            raise ApiError(
                400,
                f"the response {wanted.previous[:200]!r} is not known here, or is another model's:"
                " send the whole conversation instead",
                code="previous_response_not_found",
                param="previous_response_id",
            )
        return Choice(choice.model, (target,), pinned=True)

    def forget(self, answer_id: str) -> bool:
        """Forget an answer that is remembered here; say whether it was."""
        return self.recollection is not None and self.recollection.forget(answer_id)

    def _limits_of(self, headers: Mapping[str, str]) -> AskLimits:
        wanted = headers.get(HOLD_HEADER)
        if wanted is None:
            return self.limits()
        try:
            return attrs.evolve(self.limits(), hold=parse_hold(wanted))
        except ValueError as error:
            raise ApiError(400, f"the header {HOLD_HEADER}: {error}", param=HOLD_HEADER) from None


def _travelling(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that go to the serving node, beside ``accept``."""
    found = {name: headers[name] for name in API_HEADERS if name in headers}
    return {**found, **trace_headers(headers)}


def _check_lengths(headers: Mapping[str, str]) -> None:
    """Raises: ApiError, where a header is too long to travel with a request."""
    for name, value in headers.items():
        if len(value) > HEADER_LIMIT and name not in TRACE_HEADERS:
            message = f"the header {name} has more than {HEADER_LIMIT} characters"
            raise ApiError(400, message, param=name)
