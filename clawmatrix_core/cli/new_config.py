"""A configuration that is to be written: for ``clawmatrix init``, and for joining a mesh."""

from __future__ import annotations

import base64
import os
import re
import secrets
import socket
import tomllib
from typing import TYPE_CHECKING

import attrs
import click

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.paths import default_state_dir, expand, find_config, user_config
from clawmatrix_core.cli.config import problems_of
from clawmatrix_core.cli.context import load_plugins
from clawmatrix_core.config.config import Config, HostPort
from clawmatrix_core.config.template import fill_template
from clawmatrix_core.config.types import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from typing import Self

    from clawmatrix_core.cli.context import Settings

__all__ = [
    "DEFAULT_HTTP",
    "DEFAULT_LISTEN",
    "NewConfig",
    "checked_listen",
    "make_secret",
    "node_id_from",
]

DEFAULT_LISTEN = "*:19000"
DEFAULT_HTTP = "127.0.0.1:19100"
"""Where the plugin ``http`` listens unless it is told otherwise; a test holds them equal."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")

TEMPLATE = """\
# A node of a ClawMatrix mesh. `clawmatrix config check` checks this file,
# `clawmatrix config schema` lists everything that can stand here.

# The name of this node. Each node of the mesh has one of its own.
# node_id = "home"

# What all nodes of the mesh know and nobody else: the same on each of them.
# "env:NAME" takes it from the environment, "file:PATH" from a file.
# secret = "env:CLAWMATRIX_SECRET"

# Where the node keeps its keys and its state, unless in the usual folder.
# state_dir = "/var/lib/clawmatrix"

# Words that other nodes see this node by.
# tags = ["gpu"]
"""
"""The core's keys; the tables below them are templates of plugins."""


def make_secret(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return 256 random bits as text."""
    return base64.urlsafe_b64encode(random_bytes(32)).decode().rstrip("=")


def node_id_from(hostname: str) -> str:
    """Return a valid name for the node on the host."""
    name = _NOT_IN_A_NAME.sub("-", hostname.split(".")[0].lower()).strip("-")[:64]
    return name or "node"


@attrs.frozen
class NewConfig:
    """What goes into a new configuration. Nothing is written before ``write``.

    Attributes:
        path: where it goes.
        node_id: the name of the node.
        secret: as the file says it.
        tables: values of options, by key, for the tables of plugins.
        state_dir: where the node keeps its state, absolute; None for the usual folder.
    """

    path: Path
    node_id: str
    secret: str = attrs.field(repr=False)
    tables: Mapping[str, Mapping[str, object]] = attrs.field(factory=dict)
    state_dir: Path | None = None

    @classmethod
    def plan(
        cls,
        settings: Settings,
        *,
        node_id: str | None,
        listen: str | None,
        peers: Sequence[str],
        secret: Callable[[], str] = make_secret,
        force: bool = False,
        state: Path | None = None,
        **mesh: object,
    ) -> Self:
        """Return a configuration for this machine.

        Args:
            settings: says which file it goes into.
            node_id: the node's name; else the host's.
            listen: where other nodes connect to; without it, a node without peers listens
                everywhere.
            peers: the nodes to connect to.
            secret: returns the secret as the file says it; called where the file may be written.
            force: whether a configuration that is there already may be written over.
            state: where the node keeps its state; else in the usual folder.
            mesh: more options of the table ``mesh``.

        Raises: ConfigError, where there is a configuration already; click.UsageError, for a
            malformed listen address.
        """
        path = _target(settings, force=force)
        reference = secret()
        table = {"listen": _listen(listen, joins=bool(peers)), "peers": peers, **mesh}
        name = node_id or node_id_from(socket.gethostname())
        folder = None if state is None else expand(state).absolute()
        return cls(path, name, reference, {"mesh": table}, folder)

    def with_table(self, table: str, **options: object) -> Self:
        """Return the same with more options of a table."""
        values = {**self.tables.get(table, {}), **options}
        return attrs.evolve(self, tables={**self.tables, table: values})

    def with_http(self, listen: str | None) -> Self:
        """Return the same with where ``--http`` says that HTTP is served; None leaves it.

        Raises: click.UsageError, where that is no address.
        """
        if listen is None:
            return self
        return self.with_table("http", listen=checked_listen("--http", listen))

    @property
    def listen(self) -> object:
        """Where the node listens, as the file says it; None where it only connects to others."""
        return self.tables.get("mesh", {}).get("listen")

    @property
    def state_folder(self) -> Path:
        """Where the node keeps its state. Raises: ConfigError, where there is no home folder."""
        return self.state_dir or default_state_dir(self.node_id)

    def render(self) -> str:
        """Return the text, commented, in TOML; its tables are in order of name."""
        state = None if self.state_dir is None else str(self.state_dir)
        own = {"node_id": self.node_id, "secret": self.secret, "state_dir": state}
        parts = [fill_template(TEMPLATE, own)]
        left = dict(self.tables)
        sections = load_plugins(None).config_sections()
        for section in sorted(sections, key=lambda section: section.table):
            if section.template is not None:
                values = left.pop(section.table, {})
                parts.append(fill_template(section.template, values, section.table))
        parts += [fill_template("", values, table) for table, values in left.items()]
        return "\n".join(part for part in parts if part)

    def check(self) -> list[str]:
        """Return notes on the remaining steps. Raises: ConfigError, for anything wrong."""
        source = Source(base=self.path.parent, mode=0o600)
        problems = problems_of(Config(tomllib.loads(self.render()), source, self.path))
        missing = [problem for problem in problems if problem.startswith("secret:")]
        can_come_later = self.secret.startswith(("env:", "file:"))
        if len(missing) < len(problems) or (missing and not can_come_later):
            raise ConfigError(problems)
        return [f"note: {problem}" for problem in missing]

    def write(self, *, force: bool = False) -> None:
        """Write the file so that only this user can ever read it. Raises: ConfigError."""
        path = self.path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target = path.with_name(f".{path.name}.{os.getpid()}") if force else path
            opened = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(opened, "w") as file:
                file.write(self.render())
            if force:
                target.replace(path)
        except OSError as error:
            raise ConfigError([f"{path} cannot be written: {error.strerror}"]) from None


def _target(settings: Settings, *, force: bool) -> Path:
    """Return where a new configuration goes. Raises: ConfigError, where one is already."""
    if settings.file is not None:
        path = expand(settings.file).absolute()
    else:
        try:
            path = find_config()
        except ConfigError:
            path = user_config()
    if path.exists() and not force:
        others = "-c FILE writes another, `clawmatrix init --force` overwrites it"
        raise ConfigError([f"{path} is there already: {others}"])
    return path


def _listen(given: str | None, *, joins: bool) -> str | None:
    """Return where the node listens, as the file says it. Raises: click.UsageError."""
    if given is None:
        return None if joins else DEFAULT_LISTEN
    if "://" in given:
        raise click.UsageError(
            "--listen: expected HOST:PORT. An address of another transport goes into listen_url of"
            " [mesh], once the file is written, and the transport's plugin into plugins"
        )
    if not given.startswith("*:"):  # that is checked with the table
        checked_listen("--listen", given)
    return given


def checked_listen(option: str, given: str) -> str:
    """Return where to listen, as the option says it. Raises: click.UsageError."""
    try:
        HostPort.parse(given)
    except TypeError:
        raise click.UsageError(f"{option}: expected {HostPort.config_words}") from None
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None
    return given
