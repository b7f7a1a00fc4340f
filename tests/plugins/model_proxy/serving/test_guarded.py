"""A plugin's codec that breaks its contract is a fault of its plugin, whichever member it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core import hookimpl
from clawmatrix_core.doctor.running import run_checks
from clawmatrix_model_proxy.api import ErrorWords, ModelApi
from clawmatrix_model_proxy.neutral.answer import Block, NeutralAnswer, Usage
from tests.plugins.model_proxy.asking.asking import ALONE, Client
from tests.plugins.model_proxy.example_api.quill import QuillCodec, QuillPlugin, QuillReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_model_proxy.api import Event
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = [pytest.mark.anyio, pytest.mark.faults_expected]

SECRET = "words-that-nobody-may-see"
[QUILL] = QuillPlugin().register_model_apis()


def fails(*args: Any, **named: Any) -> Any:
    raise KeyError(SECRET)


class Reader(QuillReader):
    """Fails at an event, as the generator that it is, or returns what is no event."""

    def __init__(self, fault: str) -> None:
        super().__init__(str)
        self.fault = fault

    def read(self, payload: dict[str, Any]) -> Iterator[Event]:
        if self.fault == "late" and "because" in payload:
            fails()
        if self.fault == "first":
            fails()
        yield from super().read(payload)
        if self.fault == "no event":
            yield SECRET  # type: ignore[misc]

    def done(self, *, marked: bool = False) -> Any:
        return fails() if self.fault == "done" else super().done(marked=marked)


@attrs.define
class Faulty:
    """A plugin whose codec has one member that is not right."""

    member: str
    value: Any
    plugin_name: str = "faulty"
    extends: tuple[str, ...] = ("model-proxy",)

    @hookimpl
    def register_model_apis(self) -> list[ModelApi]:
        codec = QuillCodec()
        setattr(codec, self.member, self.value)
        return [attrs.evolve(QUILL, name="faulty:talk", codec=codec)]


async def quill(asked: Asked) -> None:
    if asked.head.startswith(b"GET"):
        await asked.answer(b'{"writers": ["m"]}')
        return
    body = json.loads(asked.body)
    if "refuse" in str(body["script"]):
        await asked.answer(b'{"problem": "no"}', status=400)
    elif body["stream"]:
        await asked.begin_stream()
        for event in ({"id": "q", "say": "Hello."}, {"because": "done"}):
            await asked.chunk(b"data: " + json.dumps(event).encode() + b"\n\n")
        await asked.end_stream()
    else:
        await asked.answer(b'{"id": "q", "say": "Hello.", "because": "done"}')


def config(*base_urls: str) -> dict[str, Any]:
    apis = [{"id": "m", "base_url": url, "api": "faulty:talk"} for url in base_urls]
    return {"model-proxy": {"models": apis}}


def faults(node: Node) -> dict[str, tuple[int, str]]:
    return {i.name: (i.faults, str(i.last_fault)) for i in node.plugins.list() if i.faults}


def reader(fault: str) -> Any:
    return lambda *, new_id: Reader(fault)


WRITES = "codec.write_request"
HUGE = NeutralAnswer("q", "m", 1, (), "stop", Usage(2**70))
NO_TEXT = NeutralAnswer("q", "m", 1, (Block("text", "\ud800"),), "stop")


@pytest.mark.parametrize(
    ("stream", "member", "value", "named"),
    [
        (False, "write_request", fails, WRITES),
        (True, "write_request", fails, WRITES),
        (False, "write_request", lambda request, *, model, max_tokens: None, WRITES),
        (False, "write_request", lambda request, *, model, max_tokens: {"a": object()}, WRITES),
        (False, "read_answer", fails, "codec.read_answer"),
        (False, "read_answer", lambda body, *, new_id: None, "codec.read_answer"),
        (False, "read_answer", lambda body, *, new_id: HUGE, "codec.read_answer"),
        (False, "read_answer", lambda body, *, new_id: NO_TEXT, "codec.read_answer"),
        (True, "reader", fails, "codec.reader"),
        (True, "reader", reader("first"), "reader.read"),
        (True, "reader", reader("late"), "reader.read"),
        (True, "reader", reader("no event"), "reader.read"),
        (True, "reader", reader("done"), "reader.done"),
    ],
)
async def test_a_codec_that_fails_is_a_fault_of_its_plugin(
    stream: bool,
    member: str,
    value: Any,
    named: str,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hello = {"model": "m", "messages": [{"role": "user", "content": "Hello."}], "stream": stream}
    async with upstreaming(quill) as up:
        plugins = [Faulty(member, value)]
        node = node_factory("home", built_in=ALONE, plugins=plugins, config=config(up.base_url))
        async with node as home:
            client = Client(home)
            await client.ask(hello)
            found = faults(home)
            assert home.hooks.works("faulty")
    assert set(found) == {"faulty"}
    assert found["faulty"][0] >= 1
    assert f"{named} of faulty:talk" in found["faulty"][1]
    assert SECRET.encode() not in client.body
    assert b"[DONE]" not in client.body
    told = client.body.decode()
    assert "the plugin faulty failed" in told
    assert "ExceptionGroup" not in told + caplog.text


@pytest.mark.parametrize(
    "value", [fails, lambda status, body: ErrorWords("x", status=99), lambda status, body: "x"]
)
async def test_an_error_that_cannot_be_read_still_reaches_the_client(
    value: Any, node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    asked = {"model": "m", "messages": [{"role": "user", "content": "refuse"}]}
    async with upstreaming(quill) as up:
        plugins = [Faulty("read_error", value)]
        node = node_factory("home", built_in=ALONE, plugins=plugins, config=config(up.base_url))
        async with node as home:
            client = Client(home)
            await client.ask(asked)
            found = faults(home)
    assert (client.status, set(found)) == (400, {"faulty"})
    assert SECRET.encode() not in client.body


async def test_a_list_of_models_that_cannot_be_read_ends_no_other_check(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async with upstreaming(quill) as up:
        plugins = [Faulty("read_models", fails)]
        made = config(up.base_url)
        made["model-proxy"]["models"].append({"id": "n", "base_url": up.base_url})
        node = node_factory("home", built_in=ALONE, plugins=plugins, config=made)
        async with node as home:
            found = await run_checks(home.checks())
            blamed = faults(home)
    told = [one for one in found if one.name == "model-proxy.upstream"]
    assert [one.status for one in told] == ["problem", "ok"]
    assert "codec.read_models of the plugin faulty failed with KeyError" in told[0].detail
    assert set(blamed) == {"faulty"}


@pytest.mark.parametrize(
    "wrong", [{"status": 99}, {"status": 600}, {"status": True}, {"retry_after": float("inf")}]
)
def test_words_of_an_error_that_are_none_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ErrorWords("x", **wrong)
