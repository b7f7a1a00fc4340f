"""A hostile upstream, and requests that cost work: what is served and converted."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.to_thread import run_sync

from tests.attacks.calls import ask, post
from tests.attacks.lab import MIB

if TYPE_CHECKING:
    from tests.attacks.conftest import Labs
    from tests.attacks.lab import Lab
    from tests.plugins.model_proxy.conftest import Asked, Upstreaming

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

# --- h4

EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": null}]}\n\n'
ENDLESS = (b"\r", b"\n\n", b":\n\n")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


async def test_a_small_answer_that_opens_to_endless_lines(
    labs: Labs, upstreaming: Upstreaming
) -> None:
    bodies = [gzip.compress(EVENT + unit * (60 * MIB // len(unit))) for unit in ENDLESS]
    answers = iter([*bodies, None])

    async def answer(asked: Asked) -> None:
        packed = next(answers)
        if packed is not None:
            length = b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(packed)
            await asked.send(HEAD + length + packed)
            return
        await asked.send(HEAD + b"\r\n" + EVENT)
        with anyio.move_on_after(20):
            while True:
                await asked.send(b"\n\n" * 100_000)

    async with upstreaming(answer) as hostile:
        served = f'[[model-proxy.models]]\nid = "evil"\nbase_url = "{hostile.base_url}"\n'
        with labs(office=served) as lab:
            async with lab.attacked(counted={"office": ("answer_too_large",)}):
                for _ in range(len(ENDLESS) + 1):
                    await run_sync(ask_stream, lab)


def ask_stream(lab: Lab) -> None:
    """Ask home for a stream of the hostile model, and read what comes of it."""
    ask(lab.http["home"], "evil", stream=True)


# --- h6

PAIR = (
    '{"role":"user","content":[{"type":"text","text":"a"}]},'
    '{"role":"assistant","content":[{"type":"text","text":"b"}]},'
)
SIZE = 20 * MIB
LONG = 64 * 1024
TURN = '{"role":"user","content":"%s"},{"role":"assistant","content":"b"},' % ("a" * LONG)


def request(unit: str) -> str:
    """Return a request of 20 MiB in another API than the upstream's."""
    messages = (unit * (SIZE // len(unit)))[:-1]
    return f'{{"model":"office/qwen3","max_tokens":5,"messages":[{messages}]}}'


async def test_large_requests_in_another_api(lab: Lab) -> None:
    many, few = request(PAIR), request(TURN)
    reasons = {"office": ("model_cannot_convert",)}
    async with lab.attacked(counted=reasons, most=8 * SIZE):
        for body, status in ((many, 400), (few, 200), (many, 400), (few, 200)):
            got, said, _ = await run_sync(post, lab.http["hub"], "/v1/messages", body)
            assert got == status, said[:300]
