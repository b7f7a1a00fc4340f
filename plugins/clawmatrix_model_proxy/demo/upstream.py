"""What the demonstration's office serves: what the machine has, else the embedded upstream."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Upstream", "find_upstream"]

_OLLAMA = "http://127.0.0.1:11434/v1"
_START_LIMIT = 20.0


@attrs.frozen
class Upstream:
    """A model server for the demonstration.

    Attributes:
        base_url: where it is.
        model: the model that is asked.
        what: what it is, in words for the person who watches.
        key_variable: the environment variable that holds its key.
        pid: its process, where the demonstration started it.
    """

    base_url: str
    model: str
    what: str
    key_variable: str | None = None
    pid: int | None = None


@contextmanager
def find_upstream(folder: Path, *, keep: bool) -> Iterator[Upstream]:
    """Find a model server, or run the embedded one for as long as the block lasts."""
    found = _configured() or _ollama()
    if found is not None:
        yield found
        return
    with _embedded(folder, keep=keep) as embedded:
        yield embedded


def _configured() -> Upstream | None:
    base_url = os.environ.get("OPENAI_BASE_URL")
    if not base_url:
        return None
    key = os.environ.get("OPENAI_API_KEY")
    model = _first_model(base_url, key)
    if model is None:
        click.echo(f"OPENAI_BASE_URL is set, but {base_url} lists no models.", err=True)
        return None
    variable = "OPENAI_API_KEY" if key else None
    return Upstream(base_url, model, f"the server at {base_url}", variable)


def _ollama() -> Upstream | None:
    model = _first_model(_OLLAMA, None)
    return None if model is None else Upstream(_OLLAMA, model, "the Ollama of this machine")


def _first_model(base_url: str, key: str | None) -> str | None:
    request = urllib.request.Request(f"{base_url.rstrip('/')}/models")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=3) as answer:
            listed: Any = json.load(answer)
        return str(listed["data"][0]["id"])
    except (OSError, ValueError, LookupError, TypeError, urllib.error.URLError):
        return None


@contextmanager
def _embedded(folder: Path, *, keep: bool) -> Iterator[Upstream]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    module = "clawmatrix_model_proxy.demo.embedded"
    command = [sys.executable, "-m", module, "--port", str(port), "--delay", "0.03"]
    with (folder / "upstream.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    base_url = f"http://127.0.0.1:{port}/v1"
    try:
        model = _wait_for_model(base_url, process)
        what = (
            "the embedded upstream: a small program that speaks the API and computes its answer"
            " from the request, not a language model"
        )
        yield Upstream(base_url, model, what, pid=process.pid)
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _wait_for_model(base_url: str, process: subprocess.Popen[bytes]) -> str:
    ends = time.monotonic() + _START_LIMIT
    while time.monotonic() < ends and process.poll() is None:
        model = _first_model(base_url, None)
        if model is not None:
            return model
        time.sleep(0.1)  # between looks at another process
    raise click.ClickException("the embedded upstream did not start")
