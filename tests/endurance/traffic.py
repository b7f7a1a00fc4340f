"""The good calls of the endurance run: each is answered whole, or was disturbed on purpose."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import httpx2
from anyio.to_thread import run_sync

from clawmatrix_core.cli import control_client
from clawmatrix_model_proxy.demo.embedded_answer import compute
from tests.endurance.upstream import vector_of

if TYPE_CHECKING:
    from random import Random

    from tests.endurance.world import World

__all__ = ["Book", "call", "look"]

AFTER = 30.0
"""Seconds after annex is back in which a call of its models may still end with an error."""
PATIENCE = 60.0
"""Seconds a call may take on a busy machine."""
MODELS = ("office/steady", "steady", "shared", "annex/only-annex")
PATHS = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}


@attrs.define
class Book:
    """How the good calls ended.

    Attributes:
        ended: how many, by what they were and how they ended.
        seconds: how long each whole one took, in seconds.
        wrong: those that ended in a way that nothing excuses, in words.
    """

    ended: Counter[str] = attrs.field(factory=Counter)
    seconds: list[float] = attrs.field(factory=list)
    wrong: list[str] = attrs.field(factory=list)

    def enter(self, what: str, how: str) -> None:
        """Note how a call ended."""
        self.ended[f"{what} {how}"] += 1


async def call(world: World, client: httpx2.AsyncClient, rng: Random, book: Book) -> None:
    """Make one call of some kind to home."""
    if rng.random() < 0.15:
        await _embed(world, client, rng, book)
        return
    api, model, stream = rng.choice(list(PATHS)), rng.choice(MODELS), rng.random() < 0.5
    text = f"count to {rng.randint(2, 40)}"
    leaves = rng.uniform(0.0, 0.3) if rng.random() < 0.1 else None
    body = {**_asked(api, text), "model": model, "stream": stream}
    what = f"{api} {'stream' if stream else 'whole'}"
    began = anyio.current_time()
    with anyio.move_on_after(leaves) as leaving:
        status, data = await _post(world, client, PATHS[api], body)
        expected = compute({"model": model, "messages": [{"role": "user", "content": text}]}).text
        if status == 200 and _text(api, data, stream=stream) == expected:
            book.enter(what, "whole")
            book.seconds.append(anyio.current_time() - began)
            return
        if model not in MODELS[:2] and _disturbed(world, began) and _is_typed(data):
            book.enter(what, "typed error")
            return
        book.enter(what, "wrong")
        book.wrong.append(f"{what} of {model}: {status} {data[-300:]!r}")
    if leaving.cancelled_caught:
        book.enter(what, "left")


async def _embed(world: World, client: httpx2.AsyncClient, rng: Random, book: Book) -> None:
    text = f"a text with number {rng.random()}"
    body = {"model": "vectors", "input": text}
    status, data = await _post(world, client, "/v1/embeddings", body)
    if status == 200 and json.loads(data)["data"][0]["embedding"] == vector_of(text):
        book.enter("embeddings", "whole")
        return
    book.enter("embeddings", "wrong")
    book.wrong.append(f"embeddings: {status} {data[-300:]!r}")


async def _post(
    world: World, client: httpx2.AsyncClient, path: str, body: dict[str, Any]
) -> tuple[int, bytes]:
    """Return the status and all that came; a connection that ends early is status 0."""
    headers = {"authorization": f"Bearer {world.token}"}
    got, status = b"", 0
    try:
        async with client.stream(
            "POST", world.base_url + path, json=body, headers=headers, timeout=PATIENCE
        ) as answer:
            status = answer.status_code
            async for piece in answer.aiter_bytes():
                got += piece
    except httpx2.HTTPError as error:
        return 0, got + repr(error).encode()
    return status, got


def _asked(api: str, text: str) -> dict[str, Any]:
    if api == "responses":
        return {"input": text}
    messages = [{"role": "user", "content": text}]
    return {"messages": messages, **({"max_tokens": 10_000} if api == "messages" else {})}


def _text(api: str, data: bytes, *, stream: bool) -> str | None:
    """Return the words of an answer, None where it is not whole."""
    try:
        return _streamed(api, data) if stream else _whole(api, json.loads(data))
    except (ValueError, KeyError, IndexError, TypeError):
        return None


def _whole(api: str, answer: Any) -> str:
    if api == "chat":
        return str(answer["choices"][0]["message"]["content"])
    content = answer["content"] if api == "messages" else answer["output"][0]["content"]
    return "".join(part["text"] for part in content)


def _streamed(api: str, data: bytes) -> str | None:
    lines = [line[6:] for line in data.decode().split("\n") if line.startswith("data: ")]
    if api == "chat":
        if lines[-1:] != ["[DONE]"]:
            return None
        events = [json.loads(line) for line in lines[:-1]]
        choices = [choice for event in events for choice in event["choices"]]
        return "".join(choice["delta"].get("content") or "" for choice in choices)
    events = [json.loads(line) for line in lines]
    if events[-1]["type"] not in ("message_stop", "response.completed"):
        return None
    if api == "messages":
        deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
        return "".join(delta["text"] for delta in deltas)
    return "".join(
        event["delta"] for event in events if event["type"] == "response.output_text.delta"
    )


def _disturbed(world: World, began: float) -> bool:
    """Whether annex was away for any of the time since a call began, or a moment before."""
    return world.annex_back + AFTER > began


def _is_typed(data: bytes) -> bool:
    """Whether an answer, or the last event of a stream, is an error with a type or a code."""
    lines = [line[6:] for line in data.split(b"\n") if line.startswith(b"data: ")]
    for line in reversed(lines or [data]):
        if line == b"[DONE]":
            continue
        try:
            found = json.loads(line)
        except ValueError:
            return False
        error = found.get("error") or found.get("response", {}).get("error") or {}
        return bool(error.get("type") or error.get("code"))
    return False


async def look(world: World, rng: Random, book: Book) -> None:
    """Ask a node for its status or its peers, or have home ping office."""
    node = world.nodes[rng.choice(("hub", "home", "office"))]
    what = rng.choice(("status", "peers", "plugins", "ping"))
    try:
        if what == "ping":
            await run_sync(_ping, world)
        else:
            await run_sync(lambda: node.ask(what))
    except Exception as error:  # noqa: BLE001 - whatever it is, the look failed
        book.enter(what, "wrong")
        book.wrong.append(f"{what} at {node.name}: {error!r}")
        return
    book.enter(what, "answered")


def _ping(world: World) -> None:
    params = {"node": "office", "count": 1}
    [answer, *_] = control_client.stream(world.nodes["home"].config, "ping", params)
    assert isinstance(answer, dict)
    assert answer["ok"], answer
