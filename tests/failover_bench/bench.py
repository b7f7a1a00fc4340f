"""Runs the scenarios through real nodes: home asks, two others serve the same model."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import openai

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.config.config import Config
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_http.plugin import HttpPlugin
from clawmatrix_mesh.plugin import MeshPlugin
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from clawmatrix_relay.plugin import RelayPlugin
from tests.failover_bench.provider import ANSWER, OUTAGE, Provider, providing
from tests.failover_bench.scenarios import SCENARIOS, Outcome, Scenario

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["NO_STREAM", "Bench", "Flapping", "bench_of"]

SECRET = "a secret that is only for the failover bench"
TOKEN = "token-of-the-failover-bench"
NO_STREAM = "no stream"
"""The mode of calls that ask for no stream; any other is a value of the hold header."""
PROMPT = "Explain in exactly sixty words why a gateway earns trust."


@attrs.frozen
class Flapping:
    """What the twenty calls of S15 came to.

    Attributes:
        served: calls that got the whole answer.
        calls: all calls.
        longest: seconds the longest call took, in the catalogue's time.
        recovered: seconds after the recovery at which the primary answered again.
        truncated: whether half an answer ever looked whole.
    """

    served: int
    calls: int
    longest: float
    recovered: float | None
    truncated: bool

    @property
    def passes(self) -> bool:
        """Whether all were served, in time, and the primary came back soon."""
        soon = self.recovered is not None and self.recovered <= 30
        return self.served == self.calls and self.longest <= 30 and soon and not self.truncated


class Bench:
    """A provider, the nodes, and a client of the official SDK."""

    def __init__(self, provider: Provider, client: openai.AsyncOpenAI, scale: float) -> None:
        self._provider = provider
        self._client = client
        self._scale = scale

    async def run(self, scenario: Scenario, hold: str) -> Outcome:
        """Play a scenario that is one call."""
        self._provider.reset()
        began = anyio.current_time()
        seen = _Seen()
        with anyio.move_on_after(scenario.most * self._scale * 1.5 + 5):
            await self._call(scenario.model, hold, seen)
        took = (anyio.current_time() - began) / self._scale
        primary = self._attempts(scenario.model)
        fallback = self._attempts(scenario.fallback)
        prefill = self._provider.prefill_refused
        alive = _Seen()
        with anyio.move_on_after(10):
            await self._call("alive", hold, alive)
        return Outcome(
            seconds=took,
            content=seen.content,
            success=seen.ended and seen.error is None,
            model=seen.model,
            usage=seen.usage,
            error=seen.error,
            primary=primary,
            fallback=fallback,
            alive=alive.content == ANSWER,
            prefill_refused=prefill,
        )

    async def flap(self, hold: str, *, calls: int = 20) -> Flapping:
        """Play S15: twenty calls, one in four seconds, through an outage of sixty.

        More calls go on until the primary is used again.
        """
        self._provider.reset()
        began = anyio.current_time()
        served, made, longest, truncated, recovered = 0, 0, 0.0, False, None
        for number in range(calls):
            if number >= 20 and recovered is not None:
                break
            made = number + 1
            await anyio.sleep_until(began + number * 4 * self._scale)
            seen, at = _Seen(), anyio.current_time()
            await self._call("s15", hold, seen)
            longest = max(longest, (anyio.current_time() - at) / self._scale)
            whole = seen.error is None and seen.content == ANSWER
            truncated = truncated or (seen.error is None and not whole)
            served += whole
            if whole and seen.model == "s15" and recovered is None:
                recovered = (at - began) / self._scale - OUTAGE
        return Flapping(served, made, longest, recovered, truncated)

    def _attempts(self, model: str) -> list[Any]:
        scale = self._scale if model != "s01" else 1.0  # its header has whole seconds
        return [attrs.evolve(one, at=one.at / scale) for one in self._provider.of(model)]

    async def _call(self, model: str, hold: str, seen: _Seen) -> None:
        try:
            if hold == NO_STREAM:
                await self._whole(model, seen)
                return
            stream = await self._client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": PROMPT}],
                stream=True,
                stream_options={"include_usage": True},
                extra_headers={"x-clawmatrix-hold": hold},
            )
            async for chunk in stream:
                seen.take(chunk)
            seen.ended = True
        except openai.APIError as error:
            seen.error = str(error)

    async def _whole(self, model: str, seen: _Seen) -> None:
        answer = await self._client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": PROMPT}]
        )
        seen.take_whole(answer)
        seen.ended = True


@attrs.define
class _Seen:
    """What a client has seen so far."""

    content: str = ""
    model: str | None = None
    usage: bool = False
    ended: bool = False
    error: str | None = None

    def take(self, chunk: Any) -> None:
        self.model = chunk.model
        self.usage = self.usage or chunk.usage is not None
        for choice in chunk.choices:
            self.content += choice.delta.content or ""

    def take_whole(self, answer: Any) -> None:
        self.model, self.usage = answer.model, answer.usage is not None
        self.content = "".join(choice.message.content or "" for choice in answer.choices)


@asynccontextmanager
async def bench_of(scale: float) -> AsyncIterator[Bench]:
    """Run everything, with all times of the catalogue and of the nodes scaled."""
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(providing(scale))
        home, http = _node("home", _times(scale), peers=()), HttpPlugin()
        mesh = MeshPlugin()
        asking = await stack.enter_async_context(
            Node(home, plugins=[mesh, RelayPlugin(), http, ModelProxyPlugin()], state=MemoryState())
        )
        [address] = mesh.addresses
        for name, models in (("first", _primaries()), ("second", _fallbacks())):
            served = [{**model, "base_url": provider.base_url} for model in models]
            config = _node(name, {**_times(scale), "models": served}, peers=(address,))
            plugins = [MeshPlugin(), RelayPlugin(), ModelProxyPlugin()]
            await stack.enter_async_context(Node(config, plugins=plugins, state=MemoryState()))
        await wait_until(lambda: all(_offers(asking, name) for name in ("first", "second")))
        client = openai.AsyncOpenAI(base_url=http.base_url, api_key=TOKEN, max_retries=0)
        await stack.enter_async_context(client)
        yield Bench(provider, client, scale)


def _times(scale: float) -> dict[str, Any]:
    defaults = {
        "first_token_timeout": 12,
        "first_byte_timeout": 120,
        "whole_answer_timeout": 60,
        "idle_timeout": 30,
        "breaker_rest": 5,
        "breaker_rest_most": 20,
    }
    return {
        **{name: seconds * scale for name, seconds in defaults.items()},
        "nodes": ["first", "second"],
    }


def _primaries() -> list[dict[str, str]]:
    return [{"id": s.model, "upstream_model": s.model} for s in SCENARIOS] + [
        {"id": "alive", "upstream_model": "ok"}
    ]


def _fallbacks() -> list[dict[str, str]]:
    return [{"id": s.model, "upstream_model": s.fallback} for s in SCENARIOS]


def _node(name: str, table: dict[str, Any], peers: tuple[str, ...]) -> Config:
    mesh: dict[str, Any] = {"peers": list(peers)} if peers else {"listen": "127.0.0.1:0"}
    return Config.from_mapping(
        {
            "node_id": name,
            "secret": SECRET,
            "mesh": mesh,
            "http": {"listen": "127.0.0.1:0", "token": TOKEN},
            "model-proxy": table,
        }
    )


def _offers(node: Node, name: str) -> bool:
    peer = node.directory.get(NodeId(name))
    return peer is not None and node.reachable(peer.node_id)
