"""The table ``[tool-proxy.exec]``: what commands may use."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - read from the annotation
from pathlib import Path  # noqa: TC003 - so is this
from typing import TYPE_CHECKING, Final

import attrs
from attrs.validators import and_, deep_iterable, ge, in_, le

from clawmatrix_core import Bound, ByteSize, Duration, HostPort, option
from clawmatrix_tool_proxy.exec.guarding.parts import PARTS

if TYPE_CHECKING:
    from typing import Any

__all__ = ["FOLDERS_SEARCHED", "PROCESSES", "ExecConfig"]

PROCESSES = Bound(
    256,
    "processes of one command (`[tool-proxy.exec] processes`)",
    fed_by="a member",
    when_full="no further process starts",
)
FOLDERS_SEARCHED = Bound(
    100_000,
    "folders of roots that are looked through for a node's own (`[tool-proxy.exec] search`)",
    fed_by="a member",
    when_full="no command runs with that root",
)
_GIBIBYTE: Final = 1024**3
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _names(_: object, field: attrs.Attribute[Any], value: Mapping[str, object]) -> None:
    for name in value:
        if not _NAME.fullmatch(name):
            raise ValueError(f"has {name!r}: a variable is letters, digits and _")
        if name in ("HOME", "TMPDIR"):
            raise ValueError(f"has {name}: it is a folder of the command's own")


def _positive(_: object, __: attrs.Attribute[Any], value: float) -> None:
    if value <= 0:
        raise ValueError("must be more than 0")


def _at_least_a_mebibyte(_: object, __: attrs.Attribute[Any], value: int) -> None:
    if value < 1024**2:
        raise ValueError("must be at least 1 MiB")


@attrs.frozen
class ExecConfig:
    """The [tool-proxy.exec] table: what commands of ``exec`` and ``shell`` may use."""

    roots: tuple[str, ...] | None = option(
        default=None,
        shown="all of them",
        doc="The roots that commands read, and write where the root is for writing.",
        reload=True,
    )
    readable: tuple[Path, ...] = option(
        default=(),
        doc="Further files and folders that commands may read, beside roots and system.",
        reload=True,
    )
    network: bool | tuple[HostPort, ...] = option(
        default=False,
        doc='What commands may connect to by TCP, such as `["git.example:443"]`; the kernel holds'
        " them to the ports only. true allows everything, servers and UDP too.",
        reload=True,
    )
    env: Mapping[str, str] = option(
        factory=dict,
        doc="Variables that every command gets, beside PATH, LANG, HOME and TMPDIR; whoever may"
        " run commands can read them.",
        validator=_names,
        reload=True,
    )
    accept_env: tuple[str, ...] = option(
        default=(),
        doc="Variables that a caller may set. Some make programs run others: name few.",
        validator=_names,
        reload=True,
    )
    timeout: Duration = option(
        default=Duration(600.0),
        shown='"10m"',
        doc="How long a command may take; then it is killed.",
        validator=_positive,
        reload=True,
    )
    at_once: int = option(
        default=4,
        doc="How many commands of each tool may run at a time.",
        validator=ge(1),
        reload=True,
    )
    processes: int = option(
        default=int(PROCESSES),
        doc="How many processes and threads a command may have.",
        validator=and_(ge(1), le(1_000_000)),
        reload=True,
    )
    memory: ByteSize = option(
        default=ByteSize(4 * _GIBIBYTE),
        shown='"4 GiB"',
        doc="How much memory each process of a command may have.",
        validator=_at_least_a_mebibyte,
        reload=True,
    )
    file_size: ByteSize = option(
        default=ByteSize(4 * _GIBIBYTE),
        shown='"4 GiB"',
        doc="How large a file may become that a command writes.",
        validator=_at_least_a_mebibyte,
        reload=True,
    )
    search: int = option(
        default=int(FOLDERS_SEARCHED),
        doc="How many folders of the roots are looked through for `.clawmatrix` before each"
        " command; where there are more, no command runs with that root.",
        validator=ge(1),
        reload=True,
    )
    without: tuple[str, ...] = option(
        default=(),
        doc="Parts of the confinement that this machine lacks, and that you do without.",
        validator=deep_iterable(in_(PARTS)),
        reload=True,
    )
    spare: bool = option(
        default=True,
        doc="Whether a guard waits for the next command, which then begins about 50 ms sooner.",
        reload=True,
    )
