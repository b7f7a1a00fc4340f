"""``clawmatrix init``: a configuration that a node can start with."""

from __future__ import annotations

import base64
import os
import re
import secrets
import socket
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import click
import platformdirs

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.paths import APP, CONFIG_NAME, find_config
from clawmatrix_core.cli.config import problems_of
from clawmatrix_core.cli.context import Settings, load_plugins, pass_settings
from clawmatrix_core.config.config import Config, HostPort
from clawmatrix_core.config.template import fill_template
from clawmatrix_core.config.types import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "InitChoices",
    "check_config",
    "config_target",
    "init",
    "listen_choice",
    "make_secret",
    "node_id_from",
    "render_config",
    "write_config",
]

DEFAULT_LISTEN = "0.0.0.0:19000"

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_-]+")

TEMPLATE = """\
# A node of a ClawMatrix mesh. `clawmatrix config check` checks this file,
# `clawmatrix config schema` lists everything that can stand here.

# The name of this node. Each node of the mesh has one of its own.
# node_id = "home"

# What all nodes of the mesh know and nobody else: the same on each of them.
# "env:NAME" takes it from the environment, "file:PATH" from a file.
# secret = "env:CLAWMATRIX_SECRET"

# Words that other nodes see this node by.
# tags = ["gpu"]
"""
"""The core's keys; the tables below them are templates of plugins."""


@attrs.frozen
class InitChoices:
    """What goes into a new configuration.

    Attributes:
        node_id: the name of the node.
        secret: as the file says it.
        tables: values of options, by key, for the tables of plugins.
    """

    node_id: str
    secret: str = attrs.field(repr=False)
    tables: Mapping[str, Mapping[str, object]] = attrs.field(factory=dict)


def make_secret(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return 256 random bits as text."""
    return base64.urlsafe_b64encode(random_bytes(32)).decode().rstrip("=")


def node_id_from(hostname: str) -> str:
    """Return a valid name for the node on the host."""
    name = _NOT_IN_A_NAME.sub("-", hostname.split(".")[0].lower()).strip("-")[:64]
    return name or "node"


def render_config(choices: InitChoices) -> str:
    """Return the text of the configuration, commented, in TOML; its tables are in order of name."""
    own = {"node_id": choices.node_id, "secret": choices.secret}
    parts = [fill_template(TEMPLATE, own)]
    left = dict(choices.tables)
    sections = load_plugins(None).config_sections()
    for section in sorted(sections, key=lambda section: section.table):
        if section.template is not None:
            values = left.pop(section.table, {})
            parts.append(fill_template(section.template, values, section.table))
    parts += [fill_template("", values, table) for table, values in left.items()]
    return "\n".join(part for part in parts if part)


@click.command()
@click.option("--node-id", metavar="ID", help="The node's name; else this host's.")
@click.option(
    "--listen",
    metavar="HOST:PORT",
    help=f"Where other nodes connect to; {DEFAULT_LISTEN} if no --peer is given.",
)
@click.option("--peer", "peers", metavar="URL", multiple=True, help="A node to connect to.")
@click.option(
    "--secret",
    metavar="REF",
    help='The secret of an existing mesh: "env:NAME", "file:PATH", or "-" to type it in.',
)
@click.option(
    "--secret-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="The file with the secret of an existing mesh.",
)
@click.option("--force", is_flag=True, help="Overwrite a configuration that is there.")
@pass_settings
def init(
    settings: Settings,
    node_id: str | None,
    listen: str | None,
    peers: tuple[str, ...],
    secret: str | None,
    secret_file: Path | None,
    force: bool,
) -> None:
    """Write a configuration for this machine.

    A new mesh gets a secret of 256 random bits. To join a mesh, name one of its nodes with
    --peer, and give its secret.
    """
    path = config_target(settings, force=force)
    reference = _secret(secret, secret_file, joins=bool(peers))
    listen = listen_choice(listen, joins=bool(peers))
    name = node_id or node_id_from(socket.gethostname())
    choices = InitChoices(name, reference, {"mesh": {"listen": listen, "peers": peers}})
    text = render_config(choices)
    notes = check_config(text, path, choices)
    write_config(path, text, force=force)
    config_option = f" -c {path}" if settings.file is not None else ""
    steps = _next_steps(name, listen, peers, config_option)
    click.echo("\n".join([f"wrote {path}", *notes, *steps]))


def config_target(settings: Settings, *, force: bool = False) -> Path:
    """Return where a new configuration goes. Raises: ConfigError, where one is already."""
    if settings.file is not None:
        path = settings.file.expanduser().absolute()
    else:
        try:
            path = find_config()
        except ConfigError:
            path = platformdirs.user_config_path(APP) / CONFIG_NAME
    if path.exists() and not force:
        others = "-c FILE writes another, `clawmatrix init --force` overwrites it"
        raise ConfigError([f"{path} is there already: {others}"])
    return path


def _secret(given: str | None, file: Path | None, *, joins: bool) -> str:
    if given is not None and file is not None:
        raise click.UsageError("give --secret or --secret-file, not both")
    if file is not None:
        return f"file:{file.expanduser().absolute()}"
    if given is None and joins:
        raise click.UsageError(
            "to join a mesh its secret is needed: --secret or --secret-file"
            " (or an invitation, which needs none: `clawmatrix join TOKEN`)"
        )
    if given == "-":
        return _read_secret()
    return given or make_secret()


def _read_secret() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Secret of the mesh", hide_input=True, err=True)).strip()
    return sys.stdin.readline(64 * 1024).strip()


def listen_choice(given: str | None, *, joins: bool) -> str | None:
    """Return where the node listens, as the file says it. Raises: click.UsageError."""
    if given is None:
        return None if joins else DEFAULT_LISTEN
    try:
        HostPort.parse(given)
    except TypeError:
        raise click.UsageError(f"--listen: expected {HostPort.config_words}") from None
    except ValueError as error:
        raise click.UsageError(f"--listen: {error}") from None
    return given


def check_config(text: str, path: Path, choices: InitChoices) -> list[str]:
    """Return notes on what is still to be done. Raises: ConfigError, for anything wrong."""
    config = Config(tomllib.loads(text), Source(base=path.parent, mode=0o600), path)
    problems = problems_of(config)
    missing = [problem for problem in problems if problem.startswith("secret:")]
    can_come_later = choices.secret.startswith(("env:", "file:"))
    if len(missing) < len(problems) or (missing and not can_come_later):
        raise ConfigError(problems)
    return [f"note: {problem}" for problem in missing]


def write_config(path: Path, text: str, *, force: bool = False) -> None:
    """Write the file so that only this user can ever read it. Raises: ConfigError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = path.with_name(f".{path.name}.{os.getpid()}") if force else path
        with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        if force:
            target.replace(path)
    except OSError as error:
        raise ConfigError([f"{path} cannot be written: {error.strerror}"]) from None


def _next_steps(
    node_id: str, listen: str | None, peers: tuple[str, ...], config_option: str
) -> list[str]:
    steps = [
        f"  node   {node_id}",
        f"  listen {listen or '(connects to others only)'}",
        *(f"  peer   {peer}" for peer in peers),
        "",
        f"Start it:              clawmatrix run{config_option}",
        f"Have it run always:    clawmatrix service{config_option}",
    ]
    if listen is not None:
        steps.append(f"Let another one in:    clawmatrix invite{config_option}")
        steps.append("                       (while it runs; there: clawmatrix join TOKEN)")
    steps.append(f"Then look at the mesh: clawmatrix status{config_option}")
    return steps
