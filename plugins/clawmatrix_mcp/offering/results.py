"""Results of calls, as MCP has them. Values only; the SDK is not needed for them."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from clawmatrix_core import Bound

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.api import Cut, ToolFailed, ToolResult

__all__ = ["OUTPUT", "Output", "check_depth", "error_result", "failure_result", "native_result"]

OUTPUT = Bound(
    1024**2,
    "bytes of output that the result of a call has for an MCP client",
    fed_by="a member",
    when_full="the rest is dropped, and the result says so",
)
DEPTH: Final = 200
"""How deep lists and objects of a result may be in each other."""
_ERROR: Final = "clawmatrix/error"


class Output:
    """The output of a call: both kinds in the order in which they came."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.lost = 0

    def add(self, data: bytes) -> None:
        """Add a part."""
        room = max(0, OUTPUT - len(self._data))
        self._data += data[:room]
        self.lost += max(0, len(data) - room)

    def tail(self) -> str:
        """Return the last line that has anything in it, for words of progress."""
        lines = bytes(self._data[-2000:]).decode(errors="replace").rstrip().rsplit("\n", 1)
        return lines[-1].rsplit("\r", 1)[-1]

    def text(self) -> str:
        """Return it as text: what is no UTF-8 as base64."""
        try:
            return self._data.decode()
        except UnicodeDecodeError:
            pass
        if self.lost:  # a letter may be cut in two
            shown = self._data.decode(errors="replace")
            if shown.count("\ufffd") <= 1:
                return shown.rstrip("\ufffd")
        return f"[output that is no text, as base64] {base64.b64encode(self._data).decode()}"


def native_result(found: ToolResult, output: Output) -> dict[str, JSON]:
    """Return the result of a tool of ours: its output, then what it returned, as text.

    An object is the structured result as well; other values are text alone, as clients of older
    versions cannot be given them.
    """
    try:
        check_depth(found.value)
    except ValueError as error:
        words = f"The result cannot be shown: {error}. The tool has run."
        return error_result(words, {"code": "too_large", "mayHaveRun": True})
    text = output.text()
    notes = _cut_words(found.cut, output.lost)
    if found.value is not None or not (text or notes):
        separator = "\n" if text and not text.endswith("\n") else ""
        text += separator + _as_text(found.value)
    if notes:
        text += ("\n" if text and not text.endswith("\n") else "") + notes
    result: dict[str, JSON] = {"content": [_text(text)], "isError": False, **_COMPLETE}
    if isinstance(found.value, dict):
        result["structuredContent"] = found.value
    return result


def failure_result(error: ToolFailed, node: str, output: Output) -> dict[str, JSON]:
    """Return what a call comes to that gave no result."""
    if error.code == "approval_pending":
        words = (
            f"{error}\nNothing has run. A person has to allow this call at the node {node}, where"
            " `clawmatrix approvals` shows it. Make the same call again, with the same arguments,"
            " once it is allowed; do not change it to get around that."
        )
    else:
        words = f"{error} ({error.code}). {_RAN[_ran(error)]}"
    text = output.text()
    if text and not text.endswith("\n"):
        text += "\n"
    told: dict[str, JSON] = {
        "code": error.code,
        "mayHaveRun": error.may_have_run,
        "inDoubt": error.in_doubt,
    }
    with suppress(ValueError):
        check_depth(error.detail)
        told["detail"] = error.detail
    return error_result(text + words, told)


def check_depth(value: JSON) -> None:
    """Raises: ValueError, where a value is nested too deep to be written as JSON everywhere."""
    level = [value]
    for _ in range(DEPTH):
        level = [one for outer in level for one in _inside(outer)]
        if not level:
            return
    raise ValueError(f"it is nested deeper than {DEPTH}")


def _inside(value: JSON) -> Iterable[JSON]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def error_result(text: str, told: dict[str, JSON]) -> dict[str, JSON]:
    """Return a result that is an error, with what programs may want to know of it."""
    return {
        "content": [_text(text)],
        "isError": True,
        "_meta": {_ERROR: told},
        **_COMPLETE,
    }


_COMPLETE: Final[dict[str, JSON]] = {"resultType": "complete"}
_RAN: Final = {
    "no": "The tool did not run.",
    "doubt": "The tool may have run: nobody told how it ended. Look before you call it again.",
    "yes": "The tool had begun to run.",
}


def _ran(error: ToolFailed) -> str:
    if not error.may_have_run:
        return "no"
    return "doubt" if error.in_doubt else "yes"


def _text(text: str) -> JSON:
    return {"type": "text", "text": text.encode(errors="replace").decode()}


def _as_text(value: JSON) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _cut_words(cut: Cut, lost: int) -> str:
    notes = []
    if cut.output or lost:
        notes.append(f"[{cut.output + lost} bytes of output were left out]")
    if cut.result:
        notes.append(f"[{cut.result} bytes of the result were left out]")
    return "\n".join(notes)
