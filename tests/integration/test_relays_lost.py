"""Answers stream on while one relay after the other is killed and started again."""

from __future__ import annotations

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import attrs
import httpx2
import pytest

from clawmatrix_model_proxy.demo.embedded_answer import compute
from tests.integration.conftest import NodeProcess, UpstreamProcess, free_port, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

ENDS = ("home", "lab", "office")
AT_ONCE = 8
MODEL = "embedded@10ms"


@attrs.define
class Mesh:
    """Home and lab ask office; each of the three dials both relays, and no other."""

    relays: tuple[NodeProcess, ...]
    ends: dict[str, NodeProcess]
    kills: int = 0
    _stop: threading.Event = attrs.field(factory=threading.Event)

    def wait_whole(self) -> None:
        """Wait until every end has a link to every relay."""
        names = {relay.name for relay in self.relays}
        for end in self.ends.values():

            def linked(end: NodeProcess = end) -> bool:
                return names <= set(end.ask("status")["node"]["links"])

            wait_for(linked, f"{end.name} has both links\n{end.log}")

    def torment(self, gap: float) -> None:
        """Kill a relay, start it again, and when all is well the other one, until told."""
        while not self._stop.wait(gap):
            relay = self.relays[self.kills % len(self.relays)]
            relay.end(signal.SIGKILL)
            self.kills += 1
            relay.start()
            self.wait_whole()

    def stop(self) -> None:
        """End the torment after its present round."""
        self._stop.set()


@pytest.fixture
def mesh(make_node: Callable[[str, str], NodeProcess], upstream: UpstreamProcess) -> Mesh:
    plugins = 'plugins = ["mesh", "relay", "control"]\n'
    ports = [free_port(), free_port()]
    relays = tuple(
        make_node(f"relay{number}", f'{plugins}[mesh]\nlisten = "127.0.0.1:{port}"\n')
        for number, port in enumerate(ports)
    )
    dial = f"[mesh]\npeers = {json.dumps([f'ws://127.0.0.1:{port}' for port in ports])}\n"
    served = f'[[model-proxy.models]]\nid = "{MODEL}"\nbase_url = "{upstream.base_url}"\n'
    http = '[http]\nlisten = "127.0.0.1:0"\n'
    ends = {
        name: make_node(name, dial + http + (served if name == "office" else "")) for name in ENDS
    }
    for node in (*relays, *ends.values()):
        node.start()
    found = Mesh(relays, ends)
    found.wait_whole()
    for name in ("home", "lab"):
        ends[name].wait_for_status("office", "relay")
    return found


@attrs.frozen
class Asked:
    """What came of one question: what is wrong with the answer, and its longest silence."""

    wrong: str | None
    pause: float


def ask(env: dict[str, Any], number: int, words: int) -> Asked:
    """Ask for a stream; compare every byte of the text with what it must be."""
    question = f"stream {number}: count to {words + number % 7}"
    body = {"model": MODEL, "messages": [{"role": "user", "content": question}], "stream": True}
    headers = {"Authorization": f"Bearer {env['token']}"}
    text, ended, pause, last = "", [], 0.0, time.monotonic()
    with (
        httpx2.Client(timeout=60.0, trust_env=False) as client,
        client.stream(
            "POST", f"{env['baseUrl']}/chat/completions", json=body, headers=headers
        ) as answer,
    ):
        if answer.status_code != 200:
            return Asked(f"{number}: status {answer.status_code} {answer.read()!r}", pause)
        for line in answer.iter_lines():
            now = time.monotonic()
            pause, last = max(pause, now - last), now
            data = line.removeprefix("data: ")
            if data == "[DONE]":
                ended.append(data)
            elif data != line:
                event = json.loads(data)
                if "error" in event:
                    return Asked(f"{number}: {event['error']}", pause)
                for choice in event["choices"]:
                    text += choice["delta"].get("content") or ""
                    ended += [choice["finish_reason"]] if choice["finish_reason"] else []
    if text.encode() != compute(body).text.encode():
        return Asked(f"{number}: {len(text)} characters that are not the answer", pause)
    return Asked(None if ended == ["stop", "[DONE]"] else f"{number}: ended {ended}", pause)


def run(mesh: Mesh, streams: int, words: int, gap: float, kills: int) -> list[Asked]:
    """Run streams from home and lab by turns, while relays are killed so many times at least."""
    envs = [mesh.ends[name].ask("http.env") for name in ("home", "lab")]
    with ThreadPoolExecutor(AT_ONCE + 1) as pool:
        tormentor = pool.submit(mesh.torment, gap)
        try:
            answers: list[Asked] = []
            while len(answers) < streams or (mesh.kills < kills and not tormentor.done()):
                numbers = range(len(answers), len(answers) + streams)
                asking = [pool.submit(ask, envs[n % 2], n, words) for n in numbers]
                answers += [one.result() for one in asking]
            return answers
        finally:
            mesh.stop()
            tormentor.result()


def report(mesh: Mesh, answers: list[Asked], note: Callable[[str, object], None]) -> None:
    """Note the numbers, and fail if any answer is not what it must be."""
    pauses = sorted(one.pause for one in answers)
    note("streams", len(answers))
    note("kills", mesh.kills)
    note("longest pause, median", round(pauses[len(pauses) // 2], 3))
    note("longest pause, worst", round(pauses[-1], 3))
    print(
        f"{len(answers)} streams, {mesh.kills} kills, pauses {pauses[len(pauses) // 2]:.3f} s"
        f" median, {pauses[-1]:.3f} s worst"
    )
    assert [one.wrong for one in answers if one.wrong] == []


def test_streams_outlive_the_relays_that_carry_them(
    mesh: Mesh, record_property: Callable[[str, object], None]
) -> None:
    answers = run(mesh, streams=AT_ONCE, words=250, gap=0.3, kills=2)
    report(mesh, answers, record_property)
    assert mesh.kills >= 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_streams_outlive_a_relay_killed_every_few_seconds(
    mesh: Mesh, record_property: Callable[[str, object], None]
) -> None:
    answers = run(mesh, streams=200, words=300, gap=2.0, kills=10)
    report(mesh, answers, record_property)
    assert mesh.kills >= 10
