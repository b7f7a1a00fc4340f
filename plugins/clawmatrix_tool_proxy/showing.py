"""What ``clawmatrix call`` prints of a call: its output as it comes, and its result."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING

import click

from clawmatrix_core import Bound
from clawmatrix_core.cli import echo_json, printable
from clawmatrix_tool_proxy.ending import exit_of_result

if TYPE_CHECKING:
    from clawmatrix_core import JSON
    from clawmatrix_core.cli import ControlError, Progress

__all__ = ["OUTPUT", "ShownCall"]

OUTPUT = Bound(
    64 * 1024**2,
    "bytes of output that `clawmatrix call --json` keeps until the result comes",
    fed_by="a member",
    when_full="the rest is dropped, and `cut` counts it",
)


class ShownCall:
    """Prints the parts of one call.

    Attributes:
        status: what the command ends with.
        has_output: whether the tool has written anything.
    """

    def __init__(self, progress: Progress, *, as_json: bool) -> None:
        self._progress, self._as_json = progress, as_json
        self._kept = {False: bytearray(), True: bytearray()}  # output, and error output
        self._dropped = 0
        self._said_that_it_waits = False
        self.status, self.has_output = 0, False

    def take(self, item: JSON) -> None:
        """Print a part, or keep it for the JSON at the end."""
        if "progress" in item:
            self._show_progress(item)
            return
        self._progress.clear()
        if "result" in item:
            self.status = exit_of_result(item["result"])
            self._show_result(item["result"], item.get("cut") or {})
            return
        self.has_output = True
        if self._as_json:
            self._keep(_bytes(item), errors=item.get("stderr") is True)
        else:
            _write(item)

    def fail(self, error: ControlError) -> None:
        """Print the output that was kept as JSON, where the call fails and has no result."""
        if self._as_json and self.has_output:
            self._progress.clear()
            cut = {"output": self._dropped} if self._dropped else {}
            told = {"code": error.code, "message": str(error)}
            echo_json({"error": told, "cut": cut, **self._outputs()})

    def _outputs(self) -> dict[str, JSON]:
        return {
            "output": _as_json(self._kept[False]),
            "errorOutput": _as_json(self._kept[True]),
        }

    def _show_progress(self, item: JSON) -> None:
        words = item["progress"]
        self._progress.show(words)
        if item.get("waits") and not self._progress.live and not self._said_that_it_waits:
            self._said_that_it_waits = True  # a script would seem to hang without a word
            click.echo(f"clawmatrix: {printable(words)}", err=True)

    def _keep(self, part: bytes, *, errors: bool) -> None:
        room = OUTPUT - sum(map(len, self._kept.values()))
        self._kept[errors] += part[:room]
        self._dropped += max(0, len(part) - room)

    def _show_result(self, result: JSON, cut: dict[str, int]) -> None:
        if self._as_json:
            if self._dropped:
                cut = {**cut, "output": cut.get("output", 0) + self._dropped}
            echo_json({"result": result, "cut": cut, **self._outputs()})
            return
        if isinstance(result, str):
            text = result if result.endswith("\n") or not result else f"{result}\n"
            _write({"text": text, "stderr": self.has_output})
        elif result is not None and not (self.has_output and exit_of_result(result)):
            echo_json(result, err=self.has_output)
        for what, size in cut.items():
            click.echo(f"clawmatrix: {size} bytes of the {what} were cut off", err=True)


def _write(item: JSON) -> None:
    """Write output as it came; to a terminal without what would move its cursor."""
    err = item.get("stderr") is True
    if (sys.stderr if err else sys.stdout).isatty():
        text = item["text"] if "text" in item else _bytes(item).decode(errors="replace")
        click.echo("\n".join(printable(line) for line in text.split("\n")), nl=False, err=err)
    else:
        click.echo(item["text"] if "text" in item else _bytes(item), nl=False, err=err)


def _bytes(item: JSON) -> bytes:
    text = item.get("text")
    return base64.b64decode(item["bytes"]) if text is None else str(text).encode()


def _as_json(kept: bytearray) -> JSON:
    """Return output as a text, or as base64 in an object where it is no UTF-8."""
    try:
        return kept.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(kept).decode()}
