"""What the docs say of exchanges: the parameters, the members and the errors."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core import (
    DeadlineExceeded,
    Exchange,
    ExchangeError,
    ExchangeFailure,
    ExchangeLimits,
    Frame,
    LocalProtocolError,
    Node,
    NodeId,
    PluginScope,
    Undeliverable,
    frame_types,
    hookimpl,
)
from clawmatrix_core.base import errors

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory

MEMBER = re.compile(r"\bex\.(\w+)")


def rows(root: Path, table: str) -> list[list[str]]:
    """Return the cells of a table of the page."""
    text = (root / "docs" / "writing-plugins.md").read_text()
    pattern = rf"<!-- {table} -->\n(.*?)\n<!-- end {table} -->"
    [found] = re.findall(pattern, text, re.DOTALL)
    return [line.strip("| ").split(" | ") for line in found.splitlines()[2:]]


class Echo:
    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        self.scope = scope

    @hookimpl
    @frame_types("echo")
    def frame_received(self, node: Node, frame: Frame) -> bool | None:
        return node.accept(frame, self.answer, self.scope)

    async def answer(self, ex: Exchange) -> None:
        payloads = [payload async for payload in ex]
        await ex.finish({"request": ex.request, "bytes": len(payloads)})


def test_the_parameters_are_those_of_the_method(root: Path) -> None:
    told = [row[0].strip("`") for row in rows(root, "exchange parameters")]
    assert ["self", *told] == list(inspect.signature(Node.exchange).parameters)


@pytest.mark.anyio
async def test_the_members_are_those_of_an_exchange(root: Path, node_factory: NodeFactory) -> None:
    told = [name for row in rows(root, "exchange members") for name in MEMBER.findall(row[0])]
    async with node_factory("a") as node:
        exchange = node.exchange("a", "echo")
        assert sorted(told) == sorted(name for name in dir(exchange) if name[0] != "_")


def test_the_errors_are_all_those_of_exchanges(root: Path) -> None:
    told = {row[0].strip("`"): row[1].strip("`") for row in rows(root, "exchange errors")}
    classes = [getattr(errors, name) for name in errors.__all__]
    found = [one for one in classes if issubclass(one, ExchangeError)]
    assert told == {one.__name__: one.__base__.__name__ for one in found}


@pytest.mark.anyio
async def test_bytes_go_with_the_payload_and_the_handler_reads_to_the_end(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("a", plugins=[Echo]) as node:
        opened = node.exchange("a", "echo", {"n": 1}, data=b"raw", complete=True, deadline=10)
        async with opened as ex:
            assert await ex.receive() == {"request": {"n": 1}, "bytes": 1}
            with pytest.raises(ExchangeFailure) as ended:
                await ex.receive()
            assert ended.value.code == "ended"
        async with node.exchange("a", "nobody", complete=True, deadline=10) as ex:
            with pytest.raises(ExchangeFailure) as unknown:
                await ex.receive()
            assert unknown.value.code == "unknown_type"


@pytest.mark.anyio
async def test_mistakes_of_the_caller_are_of_another_kind(node_factory: NodeFactory) -> None:
    async with node_factory("a", plugins=[Echo]) as node:
        with pytest.raises(LocalProtocolError, match="stream it"):
            node.exchange("a", "echo", "x" * 65536)
        async with node.exchange("a", "echo", deadline=10) as ex:
            await ex.finish()
            with pytest.raises(LocalProtocolError, match="is finished"):
                await ex.send({})
    assert not issubclass(LocalProtocolError, ExchangeError)


@pytest.mark.anyio
async def test_a_name_that_nobody_has_waits_for_a_route(node_factory: NodeFactory) -> None:
    limits = ExchangeLimits(grace=0.1, tick=0.01)
    async with node_factory("a", limits=limits) as node:
        assert not node.reachable(NodeId("nobody"))
        with pytest.raises(Undeliverable, match="no route to nobody") as caught:
            async with node.exchange("nobody", "echo", complete=True, deadline=10) as ex:
                await ex.receive()
        assert not caught.value.may_have_begun
        with pytest.raises(DeadlineExceeded):
            async with node.exchange("nobody", "echo", complete=True, deadline=0.01) as ex:
                await ex.receive()
