"""Nodes of this commit and of an older one, in one mesh: ``make with-older REV=...``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import openai
import pytest

from clawmatrix_core.members.identity import key_text
from tests.integration.conftest import NodeProcess, UpstreamProcess, ask, free_port, wait_for
from tests.tools.commits import install

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

KEY = key_text(bytes(range(32)))
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


def test_of_too_many_models_an_older_node_sees_those_in_the_record_and_a_newer_one_all(
    older: str, make_node: Callable[[str, str], NodeProcess], upstream: UpstreamProcess
) -> None:
    port = free_port()
    dial = f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n[http]\nlisten = "127.0.0.1:0"\n'
    models = "".join(
        f'[[model-proxy.models]]\nid = "model-{number:04d}"\n'
        f'base_url = "{upstream.base_url}"\nupstream_model = "embedded"\n'
        for number in range(1000)
    )
    big = make_node("big", f'[mesh]\nlisten = "127.0.0.1:{port}"\n{models}')
    old, new = make_node("old", dial), make_node("new", dial)
    old.python = older
    for node in (big, old, new):
        node.start()
    check_knows(old, "model-0000", models=200)
    check_knows(new, "model-0999", models=1000)


def check_knows(node: NodeProcess, model: str, *, models: int) -> None:
    """Wait until a node knows so many models of another one, and ask for one of them."""
    node.wait_for_status("big", "direct")
    with client_of(node) as client:
        wait_for(lambda: len(list(client.models.list())) >= models, f"{node.name} knows {models}")
        with ask(client, model, PROMPT) as stream:
            text = "".join(c.delta.content or "" for chunk in stream for c in chunk.choices)
        assert PROMPT.upper() in text


def test_what_an_older_node_revokes_waits_and_what_a_newer_one_says_is_taken(
    older: str, make_node: Callable[[str, str], NodeProcess]
) -> None:
    port = free_port()
    bare = 'plugins = ["mesh", "relay", "control"]\n[mesh]\n'
    dial = f'{bare}peers = ["ws://127.0.0.1:{port}"]\n'
    hub = make_node("hub", f'{bare}listen = "127.0.0.1:{port}"\n')
    old, guest = make_node("old", dial), make_node("guest", dial)
    old.python = older
    for node in (hub, old, guest):
        node.start()
    hub.wait_for_status("old", "direct")
    old.wait_for_status("guest", "relay")
    old.ask("revoke.add", node="guest")
    wait_for(lambda: hub.ask("revocations.list"), "it waits at the hub")
    assert hub.status_of("guest") == "direct"
    assert old.status_of("guest") is None
    hub.ask("revocations.accept", which="guest")
    wait_for(lambda: hub.status_of("guest") is None, "the hub is rid of the guest")
    assert hub.ask("revoke.undo", node="guest")["unknown"] == ["old"]
    hub.wait_for_status("guest", "direct")
    old.wait_for_status("guest", "relay")


@pytest.mark.parametrize("inviting", ["older", "newer"])
def test_old_and_new_invite_each_other(
    inviting: str,
    older: str,
    make_node: Callable[[str, str], NodeProcess],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))
    listen = f'[mesh]\nlisten = "127.0.0.1:{free_port()}"\n'
    relay = make_node("relay", f'plugins = ["mesh", "control"]\n{listen}')
    guest = make_node("guest", "")
    if inviting == "older":
        relay.python = older
    else:
        relay.configure(f'plugins = ["mesh", "control"]\n{listen}[mesh.revokers]\nx = "{KEY}"\n')
        guest.python = older
    relay.start()
    wait_for(lambda: relay.ask("status"), "the relay is up")
    token = relay.cli("invite").stdout.strip()
    guest.config.unlink()
    joined = guest.cli("join", "--node-id", "guest", token)
    assert joined.returncode == 0, joined.stderr
    assert guest.cli("config", "check").returncode == 0
    assert "\n[mesh.revokers]" not in guest.config.read_text(), "neither knows of any"
    with guest.config.open("a") as file:
        file.write('[http]\nlisten = "127.0.0.1:0"\n')
    guest.start()
    relay.wait_for_status("guest", "direct")
