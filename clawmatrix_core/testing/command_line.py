"""Running ``clawmatrix`` within the process of a test, with a node that runs there too."""

from __future__ import annotations

import io
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import anyio.to_thread
import attrs

from clawmatrix_core.base.paths import default_state_dir
from clawmatrix_core.cli.context import hosted_plugins
from clawmatrix_core.cli.shell import execute
from clawmatrix_core.testing.told import ToldConfig, toml_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from clawmatrix_core.kernel.node import Node

__all__ = ["CommandResult", "run_command"]

_FILE = "clawmatrix-of-test.toml"


@attrs.frozen
class CommandResult:
    """What a command left behind.

    Attributes:
        exit_code: its exit code, 0 where it worked.
        out: what it wrote to standard output.
        err: what it wrote to standard error.
    """

    exit_code: int
    out: str
    err: str


async def run_command(node: Node, *arguments: str, stdin: str = "") -> CommandResult:
    """Run a command line with a node's configuration: ``await run_command(node, "dice", "3")``.

    The command runs in a thread, and can call the node, which goes on meanwhile. It knows the
    commands of the node's plugins, of those passed in as objects too. Output of the whole
    process is taken while it runs, so run one at a time.

    Args:
        node: a node of ``node_factory`` that has the ``control`` plugin or a ``state_dir``.
        arguments: what stands behind ``clawmatrix``, without ``-c``.
        stdin: what the command reads from standard input.

    Raises: TypeError, where the test made the node without ``node_factory``, or the node has no
        folder for a configuration.
    """
    path = _write_config(node)
    plugins = {
        info.name: info.plugin
        for info in node.plugins.active()
        if info.distribution is None and info.plugin is not None
    }

    def run() -> CommandResult:
        with hosted_plugins(plugins), _captured(stdin) as (out, err):
            code = execute([*arguments, "-c", str(path)])
        return CommandResult(int(code), out.getvalue(), err.getvalue())

    return await anyio.to_thread.run_sync(run)


def _write_config(node: Node) -> Path:
    folder, config = node.config.state_dir, node.config
    if not isinstance(config, ToldConfig):
        raise TypeError(f"{node.id} was not made by node_factory")
    if folder == default_state_dir(node.id):
        raise TypeError(f"{node.id} keeps its state in memory: give it the control plugin")
    named = [info.name for info in node.plugins.list() if _is_chosen(info.state, info.distribution)]
    path = folder.parent / f"{node.id}-{_FILE}"
    path.touch(mode=0o600)
    path.write_text(toml_text({**config.told, "plugins": named, "state_dir": str(folder)}))
    return path


def _is_chosen(state: str, distribution: str | None) -> bool:
    return state != "disabled" and distribution is not None


@contextmanager
def _captured(stdin: str) -> Iterator[Sequence[io.StringIO]]:
    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(stdin)
    try:
        with redirect_stdout(out), redirect_stderr(err):
            yield out, err
    finally:
        sys.stdin = before
