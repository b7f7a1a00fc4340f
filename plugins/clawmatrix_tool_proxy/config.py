"""The [tool-proxy] table."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read from the annotation
from pathlib import Path  # noqa: TC003 - so is this
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_core import Bound, ByteSize, Duration, option
from clawmatrix_tool_proxy.exec.config import ExecConfig
from clawmatrix_tool_proxy.files.config import RootTable, check_root_names

if TYPE_CHECKING:
    from typing import Any

__all__ = ["MAX_OUTPUT", "ToolProxyConfig"]

MAX_OUTPUT = Bound(
    1024**2,
    "bytes of the output of one call, and of its result (`[tool-proxy] max_output`)",
    fed_by="a member",
    when_full="the rest is dropped, and the result says so",
)
_DEADLINE: Final = 30.0


def _positive(_: object, __: attrs.Attribute[Any], value: float) -> None:
    if value <= 0:
        raise ValueError("must be more than 0")


@attrs.frozen
class ToolProxyConfig:
    """The [tool-proxy] table."""

    allow: tuple[str, ...] = option(
        default=(),
        doc='Tools that are exposed to other nodes, as names or patterns such as `"git_*"`.'
        " Where it is empty, none is.",
        reload=True,
    )
    deny: tuple[str, ...] = option(
        default=(),
        doc="Tools that are not exposed, whatever `allow` says.",
        reload=True,
    )
    deadline: Duration = option(
        default=Duration(_DEADLINE),
        shown='"30s"',
        doc="How long a call may take, where the tool says nothing else.",
        validator=_positive,
        reload=True,
    )
    at_once: int = option(
        default=8,
        doc="How many calls of one tool may run at a time, where the tool says nothing else.",
        validator=attrs.validators.ge(1),
        reload=True,
    )
    max_output: ByteSize = option(
        default=ByteSize(MAX_OUTPUT),
        shown='"1 MiB"',
        doc="How many bytes of output, and of a result, one call may have. The rest is cut off.",
        validator=_positive,
        reload=True,
    )
    roots: Mapping[str, Path | RootTable] = option(
        factory=dict,
        doc="The folders that tools read and write in, by name.",
        validator=check_root_names,
        reload=True,
    )
    exec: ExecConfig = option(
        factory=ExecConfig, doc="What commands of the tools `exec` and `shell` may use."
    )
