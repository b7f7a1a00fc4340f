"""The tables ``[mcp.servers.NAME]``."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - read from the annotation
from pathlib import Path  # noqa: TC003 - so is this
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import urlsplit

import attrs

from clawmatrix_core import Duration, Secret, TableMistakes, option

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["ServerConfig", "Variable", "check_server_names"]

_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,20}")
_TAKEN: Final = ("cluster",)
"""Names with which the tools of a node itself begin."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OWN_HEADERS: Final = ("accept", "content-type", "content-length", "host", "connection")


class Variable(str):
    """A text of the environment: as written, or a secret that ``env:`` or ``file:`` names."""

    config_words: ClassVar[str] = 'a text, "env:NAME" or "file:PATH"'

    @classmethod
    def from_config(cls, value: object, source: Any) -> Variable:
        """Return the text that the value is, or names. Raises: ValueError, TypeError."""
        if not isinstance(value, str):
            raise TypeError
        if value.startswith(("env:", "file:")):
            value = Secret.from_config(value, source).reveal()
        if "\0" in value:
            raise ValueError("has NUL in it")
        return cls(value)

    def __repr__(self) -> str:
        return "***"


def _are_variables(_: object, __: object, value: Mapping[str, object]) -> None:
    for name in value:
        if not _VARIABLE.fullmatch(name):
            raise ValueError(f"has {name!r}: a variable is letters, digits and _")


def _are_headers(_: object, __: object, value: Mapping[str, Secret]) -> None:
    for name, text in value.items():
        if not _HEADER.fullmatch(name) or name.lower() in _OWN_HEADERS:
            raise ValueError(f"has {name!r}, which is no header that can be set")
        if not (text.reveal().isascii() and text.reveal().isprintable()):
            raise ValueError(f"{name} must be printable ASCII")


def _is_url(_: object, __: object, value: str | None) -> None:
    if value is None:
        return
    try:
        parts = urlsplit(value)
        right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        right = False
    if not right or parts.fragment or not value.isprintable() or " " in value:
        raise ValueError('must be a URL like "http://127.0.0.1:8000/mcp"')
    if parts.username is not None or parts.password is not None:
        raise ValueError("must hold no user and password; use headers")


def _is_positive(_: object, __: object, value: float) -> None:
    if value <= 0:
        raise ValueError("must be more than 0")


@attrs.frozen
class ServerConfig:
    """One MCP server: a command of this machine, or the URL of one that runs elsewhere."""

    command: str | tuple[str, ...] | None = option(
        default=None,
        doc="The program of a server that speaks over its input and output, alone or in a list"
        " with its arguments: a name in PATH, or a whole path.",
        reload=True,
    )
    args: tuple[str, ...] = option(default=(), doc="Further arguments of the command.", reload=True)
    env: Mapping[str, Variable] = option(
        factory=dict,
        doc="Variables that the command gets beside PATH, LANG and HOME: texts, or secrets as"
        " `env:NAME` or `file:PATH`. It gets no others.",
        validator=_are_variables,
        reload=True,
    )
    root: str | None = option(
        default=None,
        shown="a folder of its own",
        doc="The folder that a confined command starts in, in a root of `[tool-proxy.roots]`:"
        ' `"ROOT/relative"`.',
        reload=True,
    )
    cwd: Path | None = option(
        default=None,
        shown="the home of the node's user",
        doc="The folder that a command starts in which is not confined.",
        reload=True,
    )
    confine: bool = option(
        default=True,
        doc="Whether the command is held in as commands of `exec` are: roots, network and limits of"
        " `[tool-proxy.exec]`. false lets it do whatever the node's user may.",
        reload=True,
    )
    url: str | None = option(
        default=None,
        doc="The address of a server that speaks Streamable HTTP, in the place of a command.",
        validator=_is_url,
        reload=True,
    )
    headers: Mapping[str, Secret] = option(
        factory=dict,
        doc="Headers that go with each request to the URL, such as"
        ' `Authorization = "env:SERVER_TOKEN"`.',
        validator=_are_headers,
        reload=True,
    )
    timeout: Duration = option(
        default=Duration(300.0),
        shown='"5m"',
        doc="How long a call of a tool may take; then it is cancelled.",
        validator=_is_positive,
        reload=True,
    )
    start_timeout: Duration = option(
        default=Duration(60.0),
        shown='"60s"',
        doc="How long the server may take to start and to list what it has.",
        validator=_is_positive,
        reload=True,
    )
    enabled: bool = option(default=True, doc="Whether the server is mounted.", reload=True)

    def __attrs_post_init__(self) -> None:
        if found := list(self._mistakes()):
            raise TableMistakes(found)

    @property
    def argv(self) -> tuple[str, ...]:
        """The whole command; empty where there is a URL."""
        if self.command is None:
            return ()
        first = (self.command,) if isinstance(self.command, str) else self.command
        return (*first, *self.args)

    def _mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        if (self.command is None) == (self.url is None):
            yield (), "needs either command or url"
        elif self.url is not None:
            for key in ("args", "env", "root", "cwd"):
                if getattr(self, key):
                    yield (key,), "is for a server with a command"
        elif self.headers:
            yield ("headers",), "is for a server with a url"
        if self.command is not None and not (self.argv and self.argv[0]):
            yield ("command",), "is empty"
        if any("\0" in part for part in self.argv):
            yield ("command",), "has NUL in it"
        if self.confine and self.cwd is not None:
            yield ("cwd",), "is for confine = false; a confined command starts in root"
        if not self.confine and self.root is not None:
            yield ("root",), "is for a confined command; write cwd"


def check_server_names(_: object, __: attrs.Attribute[Any], servers: Mapping[str, object]) -> None:
    """Raises: ValueError, where a server has a name that no tool can begin with."""
    for name in servers:
        if not _NAME.fullmatch(name):
            raise ValueError(f"has {name!r}: a name is letters, digits and -, 20 at most")
        if name in _TAKEN:
            raise ValueError(f"has {name!r}: tools of the node itself begin with that")
