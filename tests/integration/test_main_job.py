"""The main job on real processes: home asks, the relay passes on, office answers."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import httpx2
import openai
import pytest

from tests.integration.conftest import SLOW, NodeProcess, Trio, ask, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

RELAY_LOST = 10.0
"""Seconds in which a client is told that the way to its answer is gone (docs/protocol.md)."""


def test_the_official_sdk_gets_answers_through_the_relay(trio: Trio) -> None:
    with trio.client() as client:
        prompt = "How much is 6 times 7?"
        whole = client.chat.completions.create(
            model="embedded", messages=[{"role": "user", "content": prompt}]
        )
        text = whole.choices[0].message.content
        assert text is not None
        assert prompt.upper() in text
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        with ask(client, "embedded", prompt) as stream:
            assert stream.response.headers["x-clawmatrix-node"] == "office"
            chunks = list(stream)
        streamed = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
        assert streamed == text
        assert chunks[-1].choices[0].finish_reason == "stop"
        assert "embedded" in {model.id for model in client.models.list()}
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(
                model="nobody-serves-this", messages=[{"role": "user", "content": "x"}]
            )
    assert trio.relay.ask("status")["relay"]["relayed"] > 0


def test_a_relay_killed_in_mid_stream_is_an_error_and_no_whole_looking_answer(trio: Trio) -> None:
    with trio.client() as client, ask(client, SLOW, "word " * 400) as stream:
        seen: list[openai.types.chat.ChatCompletionChunk] = []
        seen += [next(stream) for _ in range(5)]
        trio.relay.end(signal.SIGKILL)
        killed_at = time.monotonic()
        with pytest.raises(openai.APIError):
            seen.extend(stream)
        assert time.monotonic() - killed_at < RELAY_LOST
        assert not any(choice.finish_reason for chunk in seen for choice in chunk.choices)
    assert trio.home.status_of("office") == "unreachable"
    wait_for(lambda: trio.upstream.stats()["active"] == 0, "office gave up the upstream")
    trio.relay.start()
    trio.home.wait_for_status("office", "relay")
    with trio.client() as client:
        assert (
            client.chat.completions.create(
                model="embedded", messages=[{"role": "user", "content": "again"}]
            )
            .choices[0]
            .message.content
        )


def test_a_client_that_leaves_a_stream_closes_the_upstream_over_both_hops(trio: Trio) -> None:
    with trio.client() as client, ask(client, SLOW, "word " * 2000) as stream:
        for _, _chunk in zip(range(5), stream, strict=False):
            pass
    at_close = trio.upstream.stats()["chunks"]
    wait_for(lambda: trio.upstream.stats()["cancelled"] == 1, "the upstream was closed", 5.0)
    assert trio.upstream.stats()["chunks"] - at_close < 50


def test_a_client_that_leaves_before_the_answer_closes_the_upstream_too(trio: Trio) -> None:
    env = trio.home.ask("http.env")
    body = {"model": SLOW, "messages": [{"role": "user", "content": "word " * 2000}]}
    headers = {"Authorization": f"Bearer {env['token']}"}
    with httpx2.Client(timeout=httpx2.Timeout(1.0, read=0.5), trust_env=False) as client:
        with pytest.raises(httpx2.ReadTimeout):
            client.post(f"{env['baseUrl']}/chat/completions", json=body, headers=headers)
        assert trio.upstream.stats()["requests"] == 1
    wait_for(lambda: trio.upstream.stats()["cancelled"] == 1, "the upstream was closed", 5.0)


def test_status_and_ping_name_the_path(trio: Trio) -> None:
    status = trio.home.cli("status", "--json")
    assert status.returncode == 0
    assert '"reachableVia": "relay"' in status.stdout
    ping = trio.home.cli("ping", "office", "--count", "2")
    assert ping.returncode == 0
    assert ping.stdout.count("via relay") == 2
    assert "direct" in trio.home.cli("ping", "relay", "--count", "1").stdout
    assert trio.home.cli("ping", "nobody").returncode == 6
    shown = trio.home.cli("status").stdout
    assert "2/2 reachable" in shown
    assert "relay via relay" in shown


def test_a_direct_pair_shows_direct(make_node: Callable[[str, str], NodeProcess]) -> None:
    port = free_port()
    plugins = 'plugins = ["mesh", "relay", "control"]\n'
    one = make_node("one", f'{plugins}[mesh]\nlisten = "127.0.0.1:{port}"\n')
    two = make_node("two", f'{plugins}[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n')
    for node in (one, two):
        node.start()
    one.wait_for_status("two", "direct")
    two.wait_for_status("one", "direct")
    assert two.end() == 0
    one.wait_for_status("two", "unreachable")


def test_a_node_that_is_told_to_stop_leaves_nothing_behind(
    make_node: Callable[[str, str], NodeProcess],
) -> None:
    node = make_node("only", '[http]\nlisten = "127.0.0.1:0"\n')
    node.start()
    wait_for(lambda: node.ask("status"), "the node is up")
    assert node.end() == 0
    assert "Traceback" not in node.log
    assert node.cli("status").returncode == 3
