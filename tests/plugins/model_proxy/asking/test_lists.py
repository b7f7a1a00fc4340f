"""Nodes with more models than a record has room for: every one of them can be asked for."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import Offer, frame_types
from clawmatrix_core.testing import wait_until
from clawmatrix_core.testing.fixtures import SECRET
from clawmatrix_model_proxy.asking.lists import ModelLists
from clawmatrix_model_proxy.json_values import VALUES
from clawmatrix_model_proxy.offer import LIST_LIMIT, MODELS_MOST
from clawmatrix_model_proxy.wire import MODEL_LIST
from tests.plugins.model_proxy.asking.asking import TOGETHER, Client, request

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_core.wire.frames import Frame
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = pytest.mark.anyio


def many(count: int, base_url: str = "http://127.0.0.1:1/v1") -> dict[str, Any]:
    ids = [f"provider/model-{number:05d}" for number in range(count)]
    models = [{"id": one, "base_url": base_url, "upstream_model": "m"} for one in ids]
    return {"model-proxy": {"models": models}}


def known(node: Node) -> list[str]:
    """Return the ids of the models that a node knows, as ``clawmatrix models`` shows them."""
    [section] = [one for one in node.status_sections() if one.name == "model-proxy"]
    told: Any = section.read()
    return [model["id"] for model in told["models"]]


async def until_known(node: Node, count: int) -> None:
    await wait_until(lambda: len(known(node)) == count)


@pytest.mark.both_loops
async def test_too_many_models_for_a_record_are_listed_and_answered_elsewhere(
    node_factory: NodeFactory, upstreaming: Upstreaming
) -> None:
    async def answer(asked: Asked) -> None:
        await asked.answer(b'{"id": 1}')

    async with upstreaming(answer) as up:
        big = node_factory("big", dials=["hub"], built_in=TOGETHER, config=many(3000, up.base_url))
        hub = node_factory("hub", built_in=("mesh", "relay"))
        home = node_factory("home", dials=["hub"], built_in=TOGETHER)
        async with hub, big, home:
            await until_known(home, 3000)
            asking = Client(home)
            await asking.ask(request(model="provider/model-02999"))
            assert (asking.status, asking.body) == (200, b'{"id": 1}')
            listed = await Client(home).get("/v1/models")
            assert len(listed["data"]) == 2 * 3000


async def test_a_reload_changes_the_list(node_factory: NodeFactory) -> None:
    big = node_factory("big", built_in=TOGETHER, config=many(300))
    home = node_factory("home", dials=["big"], built_in=TOGETHER)
    async with big, home:
        await until_known(home, 300)
        raw = {"node_id": "big", "secret": SECRET, "mesh": {"listen_url": "memory://big"}}
        await big.reload(Config.from_mapping(raw | many(5)))
        await until_known(home, 5)


class Liar:
    """Names a list of models in its record, and answers with whatever it is told to."""

    plugin_name = "liar"

    def __init__(self, text: bytes, named: bytes | None = None) -> None:
        self.text = text
        self.digest = hashlib.sha256(text if named is None else named).hexdigest()
        self.asked = 0

    @hookimpl
    def register_offers(self) -> list[Offer]:
        return [
            Offer("models", lambda: [{"id": "first"}]),
            Offer("model_lists", lambda: [{"digest": self.digest, "count": 2}]),
        ]

    @hookimpl
    async def start_plugin(self, scope: PluginScope) -> None:
        self._scope = scope

    @hookimpl
    @frame_types(MODEL_LIST)
    def frame_received(self, node: Node, frame: Frame) -> bool:
        return node.accept(frame, self._answer, self._scope)

    async def _answer(self, exchange: Exchange) -> None:
        self.asked += 1
        await exchange.finish(self.text)


def _list(*ids: object) -> bytes:
    return msgspec.json.encode([{"id": one} for one in ids])


@pytest.mark.parametrize(
    ("text", "named", "counted"),
    [
        (_list("a"), _list("b"), 1),
        (_list(*(f"m{number}" for number in range(MODELS_MOST + 1))), None, 1),
        (b"x" * (LIST_LIMIT + 1), None, 0),
        (b'{"id": "a"}', None, 0),
        (b"[" * 100_000, None, 0),
        (b"[" + b"{}," * VALUES + b"{}]", None, 0),
    ],
    ids=["another list", "too many", "too long", "no list", "too deep", "too many values"],
)
@pytest.mark.bound("clawmatrix_model_proxy.offer.MODELS_MOST")
@pytest.mark.bound("clawmatrix_model_proxy.offer.LIST_LIMIT")
async def test_a_list_that_is_not_right_is_left_out_and_the_record_counts(
    node_factory: NodeFactory, text: bytes, named: bytes | None, counted: int
) -> None:
    liar = Liar(text, named)
    async with (
        node_factory("liar", built_in=("mesh",), plugins=[liar]),
        node_factory("home", dials=["liar"], built_in=TOGETHER) as home,
    ):
        await wait_until(lambda: liar.asked and not home.exchanges.live)
        await wait_until(lambda: home.counters["model_list"] == counted)
        assert known(home) == ["first"]
        assert liar.asked == 1, "it is asked again after a while only"


async def test_what_is_malformed_in_a_list_is_left_out(node_factory: NodeFactory) -> None:
    liar = Liar(_list("a", 7, "", "b\n", "a", "c"))
    async with (
        node_factory("liar", built_in=("mesh",), plugins=[liar]),
        node_factory("home", dials=["liar"], built_in=TOGETHER) as home,
    ):
        await wait_until(lambda: known(home) == ["a", "c"])


async def test_a_list_that_is_not_offered_any_more_is_refused(node_factory: NodeFactory) -> None:
    async with node_factory("big", built_in=TOGETHER, config=many(3)) as node:
        payloads: list[Any] = [{"digest": "0" * 64}, {"digest": 7}, None, []]
        for payload in payloads:
            with pytest.raises(ExchangeFailure, match="not the list of models any more"):
                async with node.exchange(node.id, MODEL_LIST, payload, complete=True) as exchange:
                    await exchange.receive()


@pytest.mark.bound("clawmatrix_model_proxy.asking.lists.ALL_LISTS_MOST")
async def test_lists_of_all_nodes_together_are_bounded(
    node_factory: NodeFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clawmatrix_model_proxy.asking.lists.ALL_LISTS_MOST", 3)
    liars = [Liar(_list("a", "b")), Liar(_list("c", "d"))]
    async with (
        node_factory("one", built_in=("mesh",), plugins=[liars[0]]),
        node_factory("two", built_in=("mesh",), plugins=[liars[1]]),
        node_factory("home", dials=["one", "two"], built_in=TOGETHER) as home,
    ):
        await wait_until(lambda: home.counters["model_list"] == 1)
        assert sorted(known(home)) in (["a", "b", "first"], ["c", "d", "first"])


async def test_the_catalog_stays_while_records_change_in_something_else(
    node_factory: NodeFactory,
) -> None:
    big = node_factory("big", built_in=TOGETHER, config=many(3))
    home = node_factory("home", dials=["big"], built_in=TOGETHER)
    async with big, home:
        await until_known(home, 3)
        lists = ModelLists(home)
        peer = home.directory.get(NodeId("big"))
        assert peer is not None
        first = lists.of(peer)
        again = attrs.evolve(peer.record, seq=9, offers=copy.deepcopy(peer.record.offers))
        assert lists.of(attrs.evolve(peer, record=again)) is first
        lists.keep_only(())
        assert lists.of(peer) is not first
