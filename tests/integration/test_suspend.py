"""A process that is stopped for a while, as a laptop is, comes back by itself."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import httpx2
import pytest

from clawmatrix_model_proxy.demo.embedded_answer import compute
from tests.integration.conftest import NodeProcess, UpstreamProcess, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

HEARTBEAT = 0.3
STOPPED = 3 * HEARTBEAT
"""Longer than a link may be silent."""
BACK = 5.0
"""Seconds until it is back: a heartbeat, a dial and its back-off, on a busy machine."""


@pytest.mark.slow
def test_a_node_that_was_stopped_is_back_within_a_heartbeat_and_a_dial(
    make_node: Callable[[str, str], NodeProcess],
    upstream: UpstreamProcess,
    record_property: Callable[[str, object], None],
) -> None:
    port = free_port()
    beat = f"heartbeat = {HEARTBEAT}\n"
    relay = make_node(
        "relay",
        f'plugins = ["mesh", "relay", "control"]\n[mesh]\nlisten = "127.0.0.1:{port}"\n{beat}',
    )
    dial = f'[http]\nlisten = "127.0.0.1:0"\n[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n{beat}'
    served = f'[[model-proxy.models]]\nid = "embedded@10ms"\nbase_url = "{upstream.base_url}"\n'
    home, office = make_node("home", dial), make_node("office", dial + served)
    for node in (relay, home, office):
        node.start()
    home.wait_for_status("office", "relay")
    env = home.ask("http.env")
    body = {
        "model": "embedded@10ms",
        "messages": [{"role": "user", "content": "count to 300"}],
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {env['token']}"}
    with (
        httpx2.Client(timeout=30.0, trust_env=False) as client,
        client.stream(
            "POST", f"{env['baseUrl']}/chat/completions", json=body, headers=headers
        ) as answer,
    ):
        lines = answer.iter_lines()
        seen = [next(lines) for _ in range(20)]
        assert home.process is not None
        home.process.send_signal(signal.SIGSTOP)
        try:
            wait_for(lambda: relay.status_of("home") == "unreachable", "the relay notices")
            time.sleep(STOPPED)  # what is tested is that time passes
        finally:
            home.process.send_signal(signal.SIGCONT)
        woke = time.monotonic()
        relay.wait_for_status("home", "direct", BACK)
        home.wait_for_status("office", "relay", BACK)
        record_property("back after, s", round(time.monotonic() - woke, 3))
        seen += list(lines)
    whole = seen[-2:] == ["data: [DONE]", ""] or seen[-1] == "data: [DONE]"
    assert whole or any('"error"' in line for line in seen), "neither whole nor a typed error"
    record_property("the stream", "whole" if whole else "a typed error")
    with httpx2.Client(timeout=30.0, trust_env=False) as client:
        short = {**body, "messages": [{"role": "user", "content": "1 + 1"}], "stream": False}
        again = client.post(f"{env['baseUrl']}/chat/completions", json=short, headers=headers)
    assert again.json()["choices"][0]["message"]["content"] == compute(short).text
