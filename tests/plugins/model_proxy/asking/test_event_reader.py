"""Serving nodes that do not keep to the protocol: nothing cut or unreadable looks whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_model_proxy.api import ModelError, ask_model, stream_model
from clawmatrix_model_proxy.asking import event_reader
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.wire import Head
from tests.plugins.model_proxy.asking.asking import DONE, EVENT, TOGETHER, offers
from tests.plugins.model_proxy.asking.test_hostile_answers import Liar

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory

pytestmark = pytest.mark.anyio

STREAM = Head(200, "text/event-stream; charset=utf-8")
ERROR = b'data: {"error": {"message": "full", "type": "overloaded_error"}}\n\n'
BROKEN = b'data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "abort"}]}\n\n'


async def taken(
    node_factory: NodeFactory, head: Head, body: bytes, *, api: str = "chat"
) -> tuple[int, ModelError | None]:
    """Return how many events a program is given of a liar's answer, and the error behind them."""
    office = node_factory("office", plugins=[Liar(head, body)])
    home = node_factory("home", dials=["office"], built_in=TOGETHER)
    count = 0
    async with office, home:
        await wait_until(lambda: offers(home, "office"))
        try:
            async with stream_model(home, "m", {"messages": []}, api=api) as events:
                async for _ in events:
                    count += 1
        except ModelError as error:
            return count, error
        return count, None


BAD = {
    "no end": (EVENT, 1, "bad_answer", "ended in the middle"),
    "half an event behind the last": (EVENT + EVENT[:30], 1, "bad_answer", "ended in the middle"),
    "an error before its end": (EVENT + ERROR + EVENT + DONE, 1, "overloaded_error", "full"),
    "an error as a reason": (EVENT + BROKEN + DONE, 1, None, "broke off: abort"),
    "no JSON": (EVENT + b"data: {oops\n\n" + EVENT + DONE, 1, "bad_answer", "cannot be read"),
    "a damaged line": (EVENT + b"dat{\n\n" + DONE, 1, "bad_answer", "cannot be read"),
    "nothing": (b"", 0, "bad_answer", "ended in the middle"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_wrong_is_raised_at_the_end(name: str, node_factory: NodeFactory) -> None:
    body, count, code, words = BAD[name]
    given, error = await taken(node_factory, STREAM, body)
    assert error is not None
    assert (given, error.code) == (count, code)
    assert words in error.message


async def test_an_end_of_another_api_is_no_end(node_factory: NodeFactory) -> None:
    _, error = await taken(node_factory, STREAM, EVENT + DONE, api="messages")
    assert error is not None


async def test_an_end_without_its_blank_line_is_one(node_factory: NodeFactory) -> None:
    assert await taken(node_factory, STREAM, EVENT + DONE.rstrip()) == (1, None)


@pytest.mark.bound("clawmatrix_model_proxy.asking.event_reader.EVENT_LIMIT")
async def test_an_event_without_end_is_not_kept(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reader, "EVENT_LIMIT", 1024)
    body = EVENT + b"data: " + b"x" * (2 << 20)
    given, error = await taken(node_factory, STREAM, body)
    assert given == 1
    assert error is not None
    assert "more than 1024 bytes" in error.message


@pytest.mark.parametrize("body", [b"[]", b"<html>", b""])
async def test_a_whole_answer_that_is_no_object_is_an_error(
    body: bytes, node_factory: NodeFactory
) -> None:
    office = node_factory("office", plugins=[Liar(Head(200), body)])
    home = node_factory("home", dials=["office"], built_in=TOGETHER)
    async with office, home:
        await wait_until(lambda: offers(home, "office"))
        with pytest.raises(ModelError, match="not a JSON object") as raised:
            await ask_model(home, "m", {"messages": []})
    assert (raised.value.status, raised.value.code) == (502, "bad_answer")


async def test_a_reader_shows_its_state() -> None:
    with event_reader.EventReader(FORMATS["chat"], NodeId("home")) as reader:
        assert repr(reader) == "<EventReader open, 0 ready>"
