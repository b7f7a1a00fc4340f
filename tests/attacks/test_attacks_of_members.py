"""Members of the mesh: made-up records, floods of revocations, others' names, and addresses."""

from __future__ import annotations

import itertools
import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from anyio.abc import SocketAttribute
from anyio.to_thread import run_sync

from clawmatrix_core.members.identity import Identity, key_text, load_identity
from clawmatrix_core.members.revocation import Revocation, SignedRevocation
from clawmatrix_core.state.folder import StateView
from tests.attacks.attacker import Attacker, attacker
from tests.attacks.calls import ask, raw
from tests.integration.conftest import run_upstream, wait_for
from tests.plugins.mesh.wire import Closed, record_of, signed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from anyio.abc import SocketStream

    from tests.attacks.lab import Lab
    from tests.integration.conftest import NodeProcess, UpstreamProcess

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]


@pytest.fixture
def evil(tmp_path: Path) -> Iterator[UpstreamProcess]:
    """Run the upstream of an attacker: no prompt is to reach it."""
    with run_upstream(tmp_path / "evil.log") as running:
        yield running


def model(id_: str, base_url: str) -> str:
    """Return the table of a model."""
    return f'[[model-proxy.models]]\nid = "{id_}"\nbase_url = "{base_url}"\n'


# --- h1

MADE_UP = 1200


async def test_made_up_records_that_list_each_other(lab: Lab) -> None:
    keys = [Identity.generate() for _ in range(16)]
    names = [f"s{number:x}" for number in range(MADE_UP)]
    links = dict.fromkeys([*names, "mallory"], 1)
    records = [
        signed(record_of(name, keys[number % 16], links=links), keys[number % 16])
        for number, name in enumerate(names)
    ]
    reasons = {"hub": ("too_many_links",)}
    own = dict.fromkeys([*names, "hub"], 1)
    async with lab.attacked(counted=reasons), attacker(lab.mesh_port, links=own) as mallory:
        for at in range(0, MADE_UP, 32):
            await mallory.send("records", records[at : at + 32], lane=0)
        await anyio.sleep(20)  # for which routes are reckoned with what was taken
        assert mallory.closed is None


# --- h8


async def test_a_member_that_floods_revocations(lab: Lab) -> None:
    await run_sync(name_revoker, lab)
    async with lab.attacked(counted={"hub": ("too_many_revocations",)}):
        async with (
            attacker(lab.mesh_port, links={"hub": 1}, features=["revocations"]) as mallory,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(flood_revocations, mallory)
            await anyio.sleep(6)
            revoked = await run_sync(lab.nodes["office"].cli, "revoke", "mallory")
            assert revoked.returncode == 0, revoked.stderr
            await run_sync(wait_for, lambda: mallory.closed, "the link of mallory is closed")
            tasks.cancel_scope.cancel()
        for name in lab.nodes:
            known = (await lab.status(name))["mesh"]["revoked"]
            assert "mallory" in {one["nodeId"] for one in known}, name


def name_revoker(lab: Lab) -> None:
    """Have hub and home obey office."""
    state = StateView(lab.nodes["office"].folder / "office-state")
    key = key_text(load_identity(state).sign_public)
    for name in ("hub", "home"):
        node = lab.nodes[name]
        node.config.write_text(f'{node.config.read_text()}\n[mesh.revokers]\noffice = "{key}"\n')
        done = node.cli("reload")
        assert done.returncode == 0, done.stderr


async def flood_revocations(mallory: Attacker) -> None:
    """Send revocations of keys that nobody has, by five authors, for as long as there is a link."""
    authors = {f"author{number}": Identity.generate() for number in range(4)}
    authors["mallory"] = mallory.member.identity
    numbers = itertools.count()

    def junk(number: int) -> dict[str, str]:
        by = list(authors)[number // 250 % 5]
        at = int(time.time() * 1000) + number
        key = (number % 1100).to_bytes(32)
        said = Revocation(f"junk{number % 1100}", key, by, authors[by].sign_public, at)
        return SignedRevocation.make(said, authors[by]).to_wire()

    try:
        while mallory.closed is None:
            batch = [junk(next(numbers)) for _ in range(16)]
            await mallory.send("revocations", {"new": batch}, lane=0)
            await anyio.sleep(0.05)
    except Closed:
        pass


# --- h10, h10b


def pinned(lab: Lab) -> Callable[[str], tuple[int, str]]:
    """Return what asks home for a model: the status, and the node that answered."""
    return partial(ask, lab.http["home"])


async def test_a_member_offers_the_id_of_a_pin(lab: Lab, evil: UpstreamProcess) -> None:
    office = lab.nodes["office"]
    asking = pinned(lab)

    async def ask_home(name: str) -> tuple[int, str]:
        return await run_sync(asking, name)

    async with lab.attacked(counted={"home": ("taken_name",)}):
        ids = ("qwen3", "office/qwen3", "office/steady", "own")
        served = "".join(model(id_, evil.base_url) for id_ in ids)
        lab.make_node("Aaa", lab.dial + served).start()
        await run_sync(wait_for, lambda: asking("own") == (200, "Aaa"), "home knows the newcomer")
        before = evil.stats()["requests"]
        assert await ask_home("qwen3") == (200, "office")  # known for longer
        assert await ask_home("office/qwen3") == (200, "office")
        office.config.write_text(office.config.read_text().replace('"qwen3"', '"qwen4"'))
        assert (await run_sync(office.cli, "reload")).returncode == 0
        await run_sync(wait_for, lambda: asking("office/qwen4")[0] == 200, "the list is renewed")
        assert (await ask_home("office/qwen3"))[0] == 404
        assert evil.stats()["requests"] == before


async def test_a_member_revokes_the_node_of_a_pin_and_offers_its_id(
    lab: Lab, evil: UpstreamProcess
) -> None:
    asking = pinned(lab)
    shop = lab.make_node("shop", lab.dial + model("qwen3", lab.upstream.base_url))
    shop.start()
    await run_sync(wait_for, lambda: asking("shop/qwen3") == (200, "shop"), "home knows shop")
    async with lab.attacked(counted={"home": ("taken_name",)}):
        served = model("shop/qwen3", evil.base_url) + model("own", evil.base_url)
        mallory = lab.make_node("mallory", lab.dial + served)
        mallory.start()
        await run_sync(wait_for, lambda: asking("own") == (200, "mallory"), "home knows mallory")
        before = evil.stats()["requests"]
        await run_sync(mallory.cli, "revoke", "shop")
        await run_sync(wait_for, lambda: waits(lab.nodes["home"]), "the revocation waits at home")
        assert await run_sync(asking, "shop/qwen3") == (200, "shop")
        assert (await run_sync(lab.nodes["home"].cli, "revoke", "shop")).returncode == 0
        await run_sync(wait_for, lambda: asking("shop/qwen3")[0] == 404, "home has put shop out")
        await anyio.sleep(2)
        assert (await run_sync(asking, "shop/qwen3"))[0] == 404
        assert evil.stats()["requests"] == before


def waits(node: NodeProcess) -> bool:
    """Say whether a revocation waits for a person."""
    return bool(node.ask("status")["mesh"]["waiting"])


# --- h11


async def test_a_member_advertises_services_of_others(lab: Lab) -> None:
    heard: list[bytes] = []

    async def serve(stream: SocketStream) -> None:
        async with stream:
            heard.append(await stream.receive())

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        port = listener.extra(SocketAttribute.local_port)
        advertised = [
            f"ws://127.0.0.1:{port}",
            f"ws://localhost:{port}/v1/shutdown",
            f"ws://[::ffff:127.0.0.1]:{port}/x",
            f"ws://root:hunter2@127.0.0.1:{port}/admin/delete?all=1",
        ]
        mallory = lab.make_node("mallory", f"{lab.dial}advertise = {json.dumps(advertised)}\n")
        async with lab.attacked(counted={"home": ("not_permitted", "bad_address")}):
            mallory.start()
            await run_sync(lab.nodes["home"].wait_for_status, "mallory", "relay")
            for _ in range(8):
                await run_sync(partial(mallory.cli, "ping", "home", "--count", "2"))
        tasks.cancel_scope.cancel()
    assert heard == []


# --- h12

HEADS: dict[str, dict[str, Any]] = {
    "a line break in a name": {"headers": {"x-ratelimit-a\r\nset-cookie: pwn=1\r\nx": "v"}},
    "a space in a name": {"headers": {"x-ratelimit-a b": "v"}},
    "a colon in a name": {"headers": {"x-ratelimit-a:": "v"}},
    "a line break in a value": {"headers": {"x-request-id": "a\r\nset-cookie: pwn=1"}},
    "a line break in the type": {"contentType": "text/html\r\nset-cookie: pwn=1"},
    "a line break in the model": {"upstreamModel": "a\r\nset-cookie: pwn=1"},
    "no status of an answer": {"status": 100},
    "an error with such a name": {
        "status": 503,
        "headers": {"x-ratelimit-a\r\nset-cookie: p": "v"},
    },
    "thousands of headers": {"headers": {f"x-ratelimit-{number}": "v" for number in range(2000)}},
    "an endless time": {"status": 429, "headers": {"retry-after": "1e308"}},
}
ANSWER = b'{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"x"}}]}'


async def test_a_member_answers_with_headers_that_are_none(lab: Lab) -> None:
    offers = {"models": [{"id": "evil"}]}
    async with lab.attacked(counted={"hub": ("bad_header",)}):
        head: dict[str, Any] = {}
        async with (
            attacker(lab.mesh_port, links={"hub": 1}, offers=offers) as mallory,
            anyio.create_task_group() as tasks,
        ):

            def hear(line: dict[str, Any], payload: object) -> None:
                if line["type"] == "model_req":
                    tasks.start_soon(mallory.answer, line, {"status": 200, **head}, ANSWER)

            mallory.hears = hear
            await run_sync(
                wait_for, lambda: ask(lab.http["hub"], "evil")[0] == 200, "the hub knows it"
            )
            for name, head in HEADS.items():  # noqa: B007 - `hear` reads it
                said = await run_sync(raw, lab.http["hub"], "evil")
                assert said.startswith(b"HTTP/1.1 "), name
                assert b"\r\nset-cookie" not in said.lower(), name
            tasks.cancel_scope.cancel()
