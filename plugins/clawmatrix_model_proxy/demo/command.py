"""``clawmatrix demo``: the main job, on three real node processes of this machine.

home asks, a relay passes on, office answers from its model server. home and office dial
only the relay. What the office serves is what the machine really has, else the embedded
upstream; the output says which. Then home calls tools of the office, see ``tool_calls.py``,
and both write one note while the relay is away, see ``shared_note.py``.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clawmatrix_core import ClawMatrixError
from clawmatrix_model_proxy.demo.node import DemoNode
from clawmatrix_model_proxy.demo.shared_note import SharedNote, can_share
from clawmatrix_model_proxy.demo.tool_calls import make_notes, show_tools, tool_tables
from clawmatrix_model_proxy.demo.upstream import Upstream, find_upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["demo"]

_PATIENCE = 60.0
"""Seconds any one step may take before the demonstration gives up."""


@click.command(epilog="Example: clawmatrix demo --keep")
@click.option("--keep", is_flag=True, help="Leave the nodes running, and say how to use them.")
@click.option(
    "--prompt",
    default="What is 6 * 7, and why is a mesh useful?",
    help="What the model is asked first.",
)
def demo(keep: bool, prompt: str) -> None:
    """Run the main job on this machine: a model, tools and a shared note, through a relay."""
    try:
        import openai  # noqa: F401 - only to see whether it is there
    except ImportError:
        raise click.ClickException("needs openai: pip install 'clawmatrix[demo]'") from None
    folder = Path(tempfile.mkdtemp(prefix="clawmatrix-demo-"))
    with contextlib.ExitStack() as stack:
        if not keep:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        upstream = stack.enter_context(find_upstream(folder, keep=keep))
        nodes = _make_nodes(folder, upstream)
        note = _share(folder, *nodes) if can_share() else None
        if not keep:
            for node in nodes:
                stack.callback(node.stop)
        try:
            _show(*nodes, upstream, prompt, note)
        except BaseException:
            for node in nodes:
                node.stop()
            raise
        if keep:
            _say_how_to_use(folder, nodes, upstream)


def _make_nodes(folder: Path, upstream: Upstream) -> tuple[DemoNode, DemoNode, DemoNode]:
    home, relay, office = (DemoNode(name, folder) for name in ("home", "relay", "office"))
    secret = folder / "secret"
    secret.write_text(os.urandom(32).hex())
    secret.chmod(0o600)
    port = _free_port()
    dial = f'[mesh]\npeers = ["ws://127.0.0.1:{port}"]\n[http]\nlisten = "127.0.0.1:0"\n'
    relay.write(f'plugins = ["mesh", "relay", "control"]\n[mesh]\nlisten = "127.0.0.1:{port}"\n')
    home.write(dial)
    key = "" if upstream.key_variable is None else f'api_key = "env:{upstream.key_variable}"\n'
    tables = tool_tables(make_notes(folder))
    office.write(
        f'{dial}[[model-proxy.models]]\nid = "{upstream.model}"\n'
        f'base_url = "{upstream.base_url}"\napi = "openai-completions"\n{key}{tables}'
    )
    return home, relay, office


def _share(folder: Path, home: DemoNode, relay: DemoNode, office: DemoNode) -> SharedNote:
    """Have home and office share a folder."""
    nodes = (home, relay, office)
    note = SharedNote(folder, lambda what, done: _wait(what, done, nodes))
    home.write_more(note.table("home", "office") + '[grants.office]\nworkspaces = ["agents"]\n')
    office.write_more(note.table("office", "home"))
    return note


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _show(
    home: DemoNode,
    relay: DemoNode,
    office: DemoNode,
    upstream: Upstream,
    prompt: str,
    note: SharedNote | None,
) -> None:
    click.secho("ClawMatrix demo: home --- relay --- office", bold=True)
    click.echo("Three nodes on this machine; home and office dial only the relay.")
    click.echo(f"The office serves {upstream.model} from {upstream.what}.\n")
    nodes = (home, relay, office)
    for node in nodes:
        node.start()

    def is_up() -> bool:
        return home.peer("office").get("status") == "relay"

    _wait("starting the mesh", is_up, nodes)
    _ask(home, upstream.model, prompt)
    home.show("status")
    show_tools(home, office)
    if note is not None:
        note.begin()
    else:
        click.echo("Shared folders are left out: they need automerge, and Python 3.11 or 3.12.\n")
    click.secho("Taking the relay away ...", bold=True)
    relay.stop(signal.SIGKILL)
    _wait(
        "home notices",
        lambda: home.peer("office").get("status") == "unreachable",
        (home, office),
    )
    home.show("status")
    if note is not None:
        note.write_apart()
    click.secho("... and back.", bold=True)
    relay.start()
    _wait("the mesh heals", is_up, nodes)
    _ask(home, upstream.model, "Once more, after the relay came back: what is 40 + 2?")
    home.show("status")
    if note is not None:
        note.show_both(home)
    click.secho("Done.", fg="green", bold=True)


def _wait(what: str, done: Callable[[], bool], nodes: tuple[DemoNode, ...]) -> None:
    """Wait for something, with a line that shows it."""
    live = sys.stdout.isatty()
    began = time.monotonic()
    if not live:
        click.echo(f"{what} ...", nl=False)
    for sign in _signs():
        passed = time.monotonic() - began
        if live:
            click.echo(f"\r{sign} {what} ... {passed:4.1f} s", nl=False)
        for node in nodes:
            node.fail_if_ended()
        with contextlib.suppress(ClawMatrixError, StopIteration):
            if done():
                passed = time.monotonic() - began
                click.echo(f"\r✓ {what}: {passed:.1f} s     " if live else f" {passed:.1f} s")
                return
        if passed > _PATIENCE:
            raise click.ClickException(f"{what}: not within {_PATIENCE:.0f} s")
        time.sleep(0.1)  # between looks at other processes


def _signs() -> Iterator[str]:
    while True:
        yield from "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def _ask(home: DemoNode, model: str, prompt: str) -> None:
    from openai import OpenAI

    env = home.ask("http.env")
    click.echo(f"\nhome asks {model}, with the official openai SDK, streaming:")
    click.secho(f"  > {prompt}", fg="cyan")
    click.echo("  ", nl=False)
    with OpenAI(base_url=env["baseUrl"], api_key=env["token"], max_retries=0) as client:
        stream = client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": prompt}], stream=True
        )
        served = stream.response.headers
        for chunk in stream:
            for choice in chunk.choices:
                click.echo(choice.delta.content or "", nl=False)
    click.echo(
        f"\n  (served by {served.get('x-clawmatrix-node')};"
        f" overhead {served.get('x-clawmatrix-overhead-ms')} ms)\n"
    )


def _say_how_to_use(folder: Path, nodes: tuple[DemoNode, ...], upstream: Upstream) -> None:
    home = nodes[0]
    env = home.ask("http.env")
    command = f"{_command()} -c {home.config}"
    pids = " ".join(str(node.process.pid) for node in nodes if node.process is not None)
    if upstream.pid is not None:
        pids += f" {upstream.pid}"
    click.echo(f"\nStill running, from {folder}. Try:\n")
    click.echo(f"  {command} status")
    click.echo(f"  {command} ping office")
    click.echo(f"  {command} call office read --arg path=notes/today.txt")
    click.echo(f'  eval "$({command} env)"')
    click.echo(
        f'  curl {env["baseUrl"]}/chat/completions -H "Authorization: Bearer $OPENAI_API_KEY"'
        f" -H 'Content-Type: application/json' \\\n    -d "
        f'\'{{"model": "{upstream.model}",'
        ' "messages": [{"role": "user", "content": "hello"}]}\''
    )
    click.echo(f"\nTo end it:\n\n  kill {pids} && sleep 3 && rm -r {folder}")


def _command() -> str:
    """Return what starts this program in the shell that it was started from."""
    script = Path(sys.argv[0])
    if not script.is_file():
        return shlex.join([sys.executable, "-m", "clawmatrix_core.cli"])
    found = shutil.which(script.name)
    known = found is not None and Path(found).resolve() == script.resolve()
    return script.name if known else shlex.quote(str(script.absolute()))
