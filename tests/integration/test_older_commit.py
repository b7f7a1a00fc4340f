"""Nodes of this commit and of an older one, in one mesh: ``make with-older REV=...``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import openai
import pytest

from tests.integration.conftest import NodeProcess, UpstreamProcess, ask, free_port, wait_for
from tests.tools.commits import install

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

PROMPT = "How much is 6 times 7?"


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the interpreter of the older commit."""
    folder: Path = tmp_path_factory.mktemp("older")
    return install(os.environ["OLDER"], folder / "old", "all").python


def served(name: str, upstream: UpstreamProcess) -> str:
    """Return the configuration of a node that serves one model under its own name."""
    return (
        f'[http]\nlisten = "127.0.0.1:0"\n[[model-proxy.models]]\nid = "model-of-{name}"\n'
        f'base_url = "{upstream.base_url}"\nupstream_model = "embedded"\n'
    )


def client_of(node: NodeProcess) -> openai.OpenAI:
    env = node.ask("http.env")
    return openai.OpenAI(base_url=env["baseUrl"], api_key=env["token"], max_retries=0)


def check_answers(asking: NodeProcess, serving: NodeProcess) -> None:
    """Ask for the other node's model, in one piece, as a stream, and for one that is unknown."""
    model = f"model-of-{serving.name}"
    with client_of(asking) as client:
        wait_for(lambda: model in {m.id for m in client.models.list()}, f"{model} is offered")
        raw = client.chat.completions.with_raw_response.create(
            model=model, messages=[{"role": "user", "content": PROMPT}]
        )
        assert raw.headers["x-clawmatrix-node"] == serving.name
        text = raw.parse().choices[0].message.content
        assert text is not None
        assert PROMPT.upper() in text
        with ask(client, model, PROMPT) as stream:
            chunks = list(stream)
        assert "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices) == text
        assert chunks[-1].choices[0].finish_reason == "stop"
        with pytest.raises(openai.NotFoundError):
            list(ask(client, f"{serving.name}/nothing", PROMPT))


@pytest.mark.parametrize("relaying", ["older", "newer"])
def test_old_and_new_serve_each_other_over_a_relay(
    relaying: str,
    older: str,
    make_node: Callable[[str, str], NodeProcess],
    upstream: UpstreamProcess,
) -> None:
    port = free_port()
    dial = f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n'
    relay = make_node(
        "relay",
        f'plugins = ["mesh", "relay", "control"]\n[mesh]\nlisten = "127.0.0.1:{port}"\n',
    )
    old = make_node("old", dial + served("old", upstream))
    new = make_node("new", dial + served("new", upstream))
    old.python = older
    if relaying == "older":
        relay.python = older
    for node in (relay, old, new):
        node.start()
    new.wait_for_status("old", "relay")
    old.wait_for_status("new", "relay")
    check_answers(new, old)
    check_answers(old, new)
    assert relay.ask("status")["relay"]["relayed"] > 0
    assert [node.end() for node in (old, new, relay)] == [0, 0, 0]


def test_a_node_goes_on_with_the_configuration_and_the_state_of_the_older_commit(
    older: str, make_node: Callable[[str, str], NodeProcess], upstream: UpstreamProcess
) -> None:
    port = free_port()
    node = make_node("node", f'[mesh]\nlisten = "127.0.0.1:{port}"\n' + served("node", upstream))
    peer = make_node(
        "peer", f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n[http]\nlisten = "127.0.0.1:0"\n'
    )
    ours = node.python
    node.python = peer.python = older
    for one in (node, peer):
        one.start()
    peer.wait_for_status("node", "direct")
    check_answers(peer, node)
    key = node.cli("fingerprint").stdout
    token = node.ask("http.env")["token"]
    assert node.end() == 0
    node.python = ours
    node.start()
    peer.wait_for_status("node", "direct")
    assert node.ask("http.env")["token"] == token
    assert key
    assert node.cli("fingerprint").stdout == key
    check_answers(peer, node)
