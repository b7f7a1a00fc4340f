"""The host of the page on embedding, as a program of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.testing.fixtures import free_port, wait_until
from tests.integration import embedding_host
from tests.integration.conftest import SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = Path(embedding_host.__file__)
SERVICE = [sys.executable, "-m", "uvicorn", "--port", "0", "embedding_service:app"]
EMBEDDED = [sys.executable, "-m", "clawmatrix_model_proxy.demo.embedded"]


@contextmanager
def running(*command: str, stderr: int | None = None) -> Iterator[subprocess.Popen[str]]:
    """Run a program; it is killed at the end if it still runs."""
    environ = {**os.environ, "MESH_SECRET": SECRET}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=stderr, text=True, env=environ) as process:
        try:
            yield process
        finally:
            process.kill()


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def upstream() -> Iterator[str]:
    """Return the base URL of an upstream that runs."""
    with running(*EMBEDDED) as process:
        yield read(process).removeprefix("listening on ")


def test_one_host_asks_the_model_of_another_and_both_stop_cleanly(
    upstream: str, tmp_path: Path
) -> None:
    host = [sys.executable, str(HOST), "--state", str(tmp_path)]
    listen = f"127.0.0.1:{free_port()}"
    serves = ["--listen", listen, "--serve", f"qwen3={upstream}"]
    asks = ["--peer", f"ws://{listen}", "--ask", "office/qwen3"]
    with running(*host, "office", *serves) as office, running(*host, "home", *asks) as home:
        for one in (office, home):
            url = read(one).removeprefix("programs ask at ")
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/v1", url)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{url.removesuffix('/v1')}/healthz", timeout=20) as answer:
                assert answer.status == 200
        assert "1 2 3 4 5" in read(home)
        for one in (home, office):
            one.send_signal(signal.SIGTERM)
            assert (read(one), one.wait(20)) == ("stopped", 0)


def test_an_answer_under_way_is_whole_although_the_host_is_to_stop(tmp_path: Path) -> None:
    host = [sys.executable, str(HOST), "--state", str(tmp_path), "one"]
    with running(*EMBEDDED, "--delay", "0.2") as slow:
        url = read(slow).removeprefix("listening on ")
        with running(*host, "--serve", f"qwen3={url}", "--ask", "qwen3") as one:
            assert read(one).startswith("programs ask at ")
            assert one.stdout is not None
            begun = one.stdout.read(1)  # the others come after it
            one.send_signal(signal.SIGTERM)
            assert (begun + read(one)).replace(" ", "") == "12345"
            assert (read(one), one.wait(20)) == ("stopped", 0)


def test_a_service_embeds_a_node_for_as_long_as_it_runs(
    upstream: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("UPSTREAM", upstream)
    command = [*SERVICE, "--app-dir", str(HOST.parent)]
    with running(*command, stderr=subprocess.STDOUT) as service:
        lines = iter(lambda: read(service), "")
        [url] = next(found for line in lines if (found := re.findall(r"http://[\d.:]+", line)))
        asked = b'{"messages": [{"role": "user", "content": "Count to 5, please"}]}'
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}/ask", data=asked, timeout=20) as answer:
            assert "1 2 3 4 5" in json.load(answer)["choices"][0]["message"]["content"]
        service.send_signal(signal.SIGTERM)
        assert any("shutdown complete" in line for line in lines)
        assert service.wait(20) in (0, -signal.SIGTERM)  # uvicorn ends as the signal would end it


def test_a_host_that_cannot_start_says_why(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        taken = f"127.0.0.1:{sock.getsockname()[1]}"
        command = [sys.executable, str(HOST), "--state", str(tmp_path), "office", "--listen", taken]
        environ = {**os.environ, "MESH_SECRET": SECRET}
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (5, "")
    assert f"mesh: ws://{taken} is taken" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_without_the_http_plugin_it_runs_on_both_loops(
    upstream: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MESH_SECRET", SECRET)
    monkeypatch.setattr(embedding_host, "PLUGINS", ["mesh", "relay", "model-proxy"])
    arguments = ["one", "--state", str(tmp_path), "--serve", f"m={upstream}", "--ask", "m"]
    said: list[str] = []

    def answered() -> bool:
        said.append(capsys.readouterr().out)
        return "1 2 3 4 5" in "".join(said)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(embedding_host.run, embedding_host.parser().parse_args(arguments))
        await wait_until(answered)
        tasks.cancel_scope.cancel()
    assert "programs ask at no URL" in "".join(said)


@pytest.mark.anyio
@pytest.mark.both_loops
async def test_a_model_that_never_comes_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MESH_SECRET", SECRET)
    monkeypatch.setattr(embedding_host, "PLUGINS", ["mesh", "relay", "model-proxy"])
    monkeypatch.setattr(embedding_host, "PATIENCE", 0.1, raising=False)
    arguments = ["one", "--state", str(tmp_path), "--ask", "qwne3"]
    said: list[str] = []

    def given_up() -> bool:
        said.append(capsys.readouterr().out)
        return "qwne3 gave no answer: 404 model_not_found" in "".join(said)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(embedding_host.run, embedding_host.parser().parse_args(arguments))
        await wait_until(given_up, limit=5)
        tasks.cancel_scope.cancel()
