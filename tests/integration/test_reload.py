"""Nodes that are given another configuration while they carry streams, as processes."""

from __future__ import annotations

import signal
from functools import partial
from typing import TYPE_CHECKING

from tests.integration.conftest import SLOW, NodeProcess, ask, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.conftest import Trio

PROMPT = "count the words of this sentence, one after another, and take your time over it"


def change(node: NodeProcess, *more: str) -> None:
    """Put tags, and more tables, into a node's configuration, and have it read again."""
    text = node.config.read_text()
    node.config.write_text(f'tags = ["changed"]\n{text}' + "\n".join(more))
    assert node.process is not None
    node.process.send_signal(signal.SIGHUP)
    wait_for(lambda: node.ask("status")["tags"] == ["changed"], f"{node.name} reloads\n{node.log}")


def test_a_stream_goes_on_while_every_node_on_its_way_reloads(trio: Trio) -> None:
    client = trio.client()
    whole = "".join(part.choices[0].delta.content or "" for part in ask(client, "embedded", PROMPT))
    got = ""
    for number, part in enumerate(ask(client, SLOW, PROMPT)):
        got += part.choices[0].delta.content or ""
        if number == 2:
            change(trio.relay, "[relay]\norigin_frames = 100000\n")
            change(trio.home, "[model-proxy]\nkeep_alive = 5\n")
            new = f'[[model-proxy.models]]\nid = "new"\nbase_url = "{trio.upstream.base_url}"\n'
            change(trio.office, new)
    assert got == whole
    wait_for(
        lambda: "new" in [model.id for model in client.models.list()],
        f"home hears of the new model\n{trio.office.log}",
    )
    assert trio.upstream.stats()["cancelled"] == 0


def says(node: NodeProcess, words: str) -> bool:
    return words in node.cli("doctor").stdout


def test_a_faulty_mesh_is_explained_at_each_node(
    make_node: Callable[[str, str], NodeProcess],
) -> None:
    port = free_port()
    dial = f'plugins = ["mesh", "relay", "control"]\n[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n'
    hub = make_node(
        "hub",
        f'plugins = ["mesh", "relay", "control"]\n[mesh]\nlisten = "127.0.0.1:{port}"\n'
        "[relay]\ntransit = false\n",
    )
    home, office, stranger = (make_node(name, dial) for name in ("home", "office", "stranger"))
    text = stranger.config.read_text()
    stranger.config.write_text(text.replace("integration-tests", "another-mesh"))
    for node in (hub, home, office, stranger):
        node.start()
    hub.wait_for_status("home", "direct")
    hub.wait_for_status("office", "direct")
    told = (
        (home, "the way to office leads through hub, and that does not relay"),
        (stranger, "has another secret than this node"),
        (hub, "does not have this mesh's secret"),
    )
    for node, words in told:
        wait_for(partial(says, node, words), f"{node.name}: {words}")
        assert node.cli("doctor").returncode == 12
    assert office.end() == 0
    assert "hub answers, and has the same secret" in office.cli("doctor").stdout
    assert hub.end() == 0
    wait_for(partial(says, home, "connection refused by"), "home dials the hub again")
    assert f"ws://127.0.0.1:{port} is free" in hub.cli("doctor").stdout
