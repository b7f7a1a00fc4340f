"""One call at a time, from upstreams that give several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.convert.one_call import OneCallReader, with_one_call
from clawmatrix_model_proxy.neutral.answer import Block, NeutralAnswer, Open, events_of
from clawmatrix_model_proxy.neutral.whole import answer_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_model_proxy.neutral.answer import BlockKind, Event

kinds: st.SearchStrategy[BlockKind] = st.sampled_from(("text", "summary", "tool", "free_tool"))
blocks = st.builds(Block, kinds, st.text(max_size=3), st.text("ab", max_size=2), st.just("f"))


class Events:
    """Reads a payload that is its events."""

    finished = True

    def read(self, payload: dict[str, Any]) -> Iterable[Event]:
        found: list[Event] = payload["events"]
        return found

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        return ()


def is_call(block: Block) -> bool:
    return block.kind in ("tool", "free_tool")


@given(st.lists(blocks, max_size=5))
def test_the_calls_behind_the_first_are_left_out(found: list[Block]) -> None:
    answer = NeutralAnswer("a", "m", 1, tuple(found), "tool_calls")
    one = with_one_call(answer)
    first = next((at for at, block in enumerate(found) if is_call(block)), len(found))
    kept = [block for at, block in enumerate(found) if at <= first or not is_call(block)]
    assert one.blocks == tuple(kept)
    reader = OneCallReader(Events())
    events = [*reader.read({"events": events_of(answer)}), *reader.done()]
    assert answer_of(events) == one
    assert reader.finished
    opened = [event.index for event in events if isinstance(event, Open)]
    assert opened == list(range(len(kept)))
