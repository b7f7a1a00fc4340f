"""Calls of tools and their results, as every API takes them: the results right behind the calls.

Responses pairs a result with its call wherever they stand, and servers differ in how they give
ids: some begin anew with each turn. Here each result finds its call, all results of a turn follow
it at once and in the order of its calls, and words that stood in between come behind them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_model_proxy.convert.fit.spellings import spelled
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import ToolCall, ToolResult, Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.neutral.request import NeutralRequest, Part
    from clawmatrix_model_proxy.neutral.rules import Words

__all__ = ["ordered"]


@attrs.define
class _Made:
    """A call, and what came of it.

    Attributes:
        run: the number of the assistant's run of turns that it is in.
        id: the id by which the upstream is told of it.
    """

    call: ToolCall
    run: int
    id: str
    result: ToolResult | None = None

    def give(self, result: ToolResult) -> None:
        if self.result is None:
            self.result = result
        else:  # in two parts
            self.result = attrs.evolve(self.result, parts=self.result.parts + result.parts)

    def told(self) -> ToolResult:
        """Return the result. Of a call that has none, nothing is known but that it failed."""
        if self.result is None:
            return ToolResult(self.id, (), failed=True, free=self.call.free)
        if self.result.call_id == self.id:
            return self.result
        return attrs.evolve(self.result, call_id=self.id)

    def told_call(self) -> ToolCall:
        """Return the call."""
        return self.call if self.call.id == self.id else attrs.evolve(self.call, id=self.id)


def ordered(request: NeutralRequest, ids: Words | None) -> tuple[Turn, ...]:
    """Return the turns of a request, with results right behind their calls, and ids of calls.

    Args:
        ids: what the API takes as an id of a call; None for anything.

    Raises: Unsupported, for a result of which there is no call.
    """
    made = _paired(request)
    if not made:
        return request.turns
    if ids is not None:
        _name(made, ids)
    return tuple(_rebuilt(request.turns, made))


def _paired(request: NeutralRequest) -> list[_Made]:
    """Return the calls in the order in which they were made, each with its result."""
    made: list[_Made] = []
    latest: dict[str, list[_Made]] = {}  # of each id, the calls of the last run that has it
    early: dict[str, list[ToolResult]] = {}
    for run, part in _runs(request.turns):
        if isinstance(part, ToolCall):
            call = _Made(part, run, part.id)
            made.append(call)
            calls = latest.setdefault(part.id, [])
            if calls and calls[0].run != run:
                calls.clear()
            calls.append(call)
            for result in early.pop(part.id, ()):
                call.give(result)
        elif calls := latest.get(part.call_id, []):
            next((one for one in calls if one.result is None), calls[-1]).give(part)
        else:
            early.setdefault(part.call_id, []).append(part)
    for call_id in early:
        where = "input" if request.api == "responses" else "messages"
        raise Unsupported(
            where, f"there is a result of the call {call_id[:80]!r}, but no such call"
        )
    return made


def _runs(turns: Iterable[Turn]) -> Iterator[tuple[int, ToolCall | ToolResult]]:
    """Give calls and results, with the number of the assistant's run that they belong to."""
    run, said = 0, False
    for turn in turns:
        run += said and turn.role != "assistant"
        said = turn.role == "assistant"
        if said or turn.role == "tool":
            for part in turn.parts:
                if isinstance(part, ToolCall | ToolResult):
                    yield run, part


def _name(made: list[_Made], ids: Words) -> None:
    """Give each call an id that the API takes, and that no other call has."""
    taken = {one.id for one in made if ids.take(one.id)}
    times: dict[str, int] = {}
    for one in made:
        again = times[one.id] = times.get(one.id, -1) + 1
        if again or not ids.take(one.id):
            # the second of two with one id is named by its number too
            one.id = spelled(f"{one.id} {again}" if again else one.id, ids, taken)
            taken.add(one.id)


def _rebuilt(turns: Iterable[Turn], made: list[_Made]) -> Iterator[Turn]:
    """Give the turns with their calls named, and each run's results behind its last turn."""
    calls = iter(made)
    waiting: list[_Made] = []
    for turn in turns:
        if turn.role != "assistant":
            yield from _results(waiting)
            if turn.role != "tool":
                yield turn
            continue
        said: list[Part] = []
        for part in turn.parts:
            if isinstance(part, ToolCall):
                one = next(calls)
                waiting.append(one)
                part = one.told_call()
            said.append(part)
        yield attrs.evolve(turn, parts=tuple(said))
    yield from _results(waiting)


def _results(waiting: list[_Made]) -> Iterator[Turn]:
    if waiting:
        yield Turn("tool", tuple(one.told() for one in waiting))
        waiting.clear()
