"""A curious relay reads all that it gets, with all the keys it has: nothing is for it."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import anyio
import anyio.abc
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clawmatrix_core.members.identity import psk_from_secret
from clawmatrix_core.testing.fixtures import SECRET
from clawmatrix_model_proxy.wire import REQUEST, Opening, read_head
from tests.plugins.mesh.mallory import Caught, scene
from tests.plugins.mesh.relays.letters import MARK

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio


def spellings(word: str) -> dict[str, bytes]:
    """Return a word in every form in which it could stand in bytes."""
    plain = word.encode()
    found = {"plain": plain, "hex": plain.hex().encode(), "utf-16": word.encode("utf-16-le")}
    for shift in range(3):  # base64 reads differently at each of three places
        whole = base64.b64encode(b"\0" * shift + plain)
        found[f"base64 at {shift}"] = whole[4:-4]
    return found


def openers(relay: Node) -> list[Callable[[bytes, bytes, bytes | None], bytes]]:
    """Return all that the relay can try to open a body with."""
    sessions = [kept.session for kept in relay.sessions.table]
    own = [session._decrypt for session in sessions]
    sent = [getattr(session._encrypt, "__self__").decrypt for session in sessions]  # noqa: B009
    secret = psk_from_secret(SECRET)
    identity = relay.identity
    return [*own, *sent, AESGCM(secret).decrypt, AESGCM(identity.channel_private).decrypt]


async def test_it_finds_no_word_of_any_body_or_of_a_catalog(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with scene(caplog) as found:
        for source, to in (("home", "office"), ("office", "home"), ("lab", "home")):
            assert await found.letter(source, to)
        async with found.nodes["home"].exchange("office", "letters_catalog", complete=True) as ex:
            assert MARK in (await ex.receive())["models"]
        assert len(found.mallory.seen) > 100
        nothing_in(found.mallory.seen)


def nothing_in(seen: list[bytes]) -> None:
    """Hold what the relay saw against the words it may not see."""
    for word in (MARK, MARK.upper(), MARK[2:], SECRET):
        for form, spelled in spellings(word).items():
            assert not any(spelled in message for message in seen), form


async def serve_model(stream: anyio.abc.SocketStream) -> None:
    """Answer one request of a model's API with the word in it."""
    async with stream:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive()
        body = json.dumps({"choices": [{"message": {"content": MARK}}]}).encode()
        kind = b"Content-Type: application/json\r\nConnection: close\r\n"
        size = b"Content-Length: %d\r\n\r\n" % len(body)
        await stream.send(b"HTTP/1.1 200 OK\r\n" + kind + size + body)


async def test_it_finds_no_word_of_a_prompt_or_of_its_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve_model)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        model = {"id": "m", "base_url": f"http://127.0.0.1:{port}/v1"}
        tables = {"model-proxy": {"models": [model]}}
        async with scene(caplog, more=("model-proxy",), tables=tables) as found:
            prompt = json.dumps({"model": "m", "messages": [{"role": "user", "content": MARK}]})
            about = Opening("chat", "m", False)
            async with found.nodes["home"].exchange("office", REQUEST, about) as ex:
                await ex.finish(prompt.encode())
                assert read_head(await ex.receive()).status == 200
                assert MARK.encode() in b"".join([piece async for piece in ex])
            kinds = {one.header.type for one in found.mallory.caught}
            assert REQUEST in kinds
            nothing_in(found.mallory.seen)
        tasks.cancel_scope.cancel()


async def test_it_opens_no_body_with_any_key_it_has(caplog: pytest.LogCaptureFixture) -> None:
    async with scene(caplog) as found:
        assert await found.letter()
        keys = openers(found.mallory.node)
        assert len(keys) >= 8
        sealed = [one for one in found.mallory.caught if one.sealed]
        assert len(sealed) > 100
        for caught in sealed:
            for key in keys:
                assert not opens(key, caught)


def opens(key: Callable[[bytes, bytes, bytes | None], bytes], caught: Caught) -> bool:
    body = caught.body
    try:
        key(bytes(4) + body[8:16], body[16:], caught.line)
    except InvalidTag:
        return False
    return True


async def test_what_it_sees_is_who_talks_to_whom_when_and_how_much(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is said plainly what a relay does see: this, and no more."""
    async with scene(caplog) as found:
        begin = len(found.mallory.caught)
        assert await found.letter()
        headers = [json.loads(one.line) for one in found.mallory.caught[begin:]]
        ways = {(one["from"], one["to"]) for one in headers}
        assert {("home", "office"), ("office", "home")} <= ways
        assert {"type", "id", "from", "to", "timestamp", "body"} <= set(headers[0])
        known = {"type", "id", "from", "to", "timestamp", "body", "seq", "re", "fin", "ack"}
        assert set().union(*headers) <= known | {"limit", "deadline", "lane"}
