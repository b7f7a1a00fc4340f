"""``clawmatrix service``: what a service manager needs to run the node."""

from __future__ import annotations

import os
import pwd
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.node_id import is_node_id
from clawmatrix_core.cli.context import Settings, pass_settings
from clawmatrix_core.cli.control_client import locate
from clawmatrix_core.cli.service_files import Service, launchd_plist, systemd_unit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["console_script", "service", "variables"]

_SYSTEMD_USER = """\
Keep it:     mkdir -p ~/.config/systemd/user
             {again} > ~/.config/systemd/user/{unit}
Start it:    systemctl --user daemon-reload && systemctl --user enable --now {unit}
Without you: loginctl enable-linger    (it then runs while you are not logged in)
Its log:     journalctl --user -u {unit} -f"""
_SYSTEMD_SYSTEM = """\
It runs as {user}, the owner of the configuration file.
Keep it:     {again} | sudo tee /etc/systemd/system/{unit}
Start it:    sudo systemctl daemon-reload && sudo systemctl enable --now {unit}
Its log:     journalctl -u {unit} -f"""
_LAUNCHD_USER = """\
Keep it:     {again} > ~/Library/LaunchAgents/{label}.plist
Start it:    launchctl bootstrap gui/$(id -u) ~/Library/LaunchAgents/{label}.plist
Stop it:     launchctl bootout gui/$(id -u)/{label}
Its log:     {log}"""
_LAUNCHD_SYSTEM = """\
It runs as {user}, the owner of the configuration file.
Keep it:     {again} | sudo tee /Library/LaunchDaemons/{label}.plist
Start it:    sudo launchctl bootstrap system /Library/LaunchDaemons/{label}.plist
Stop it:     sudo launchctl bootout system/{label}
Its log:     {log}"""


@click.command(epilog="Example: clawmatrix service --systemd")
@click.option("--systemd", "manager", flag_value="systemd", help="A systemd unit.")
@click.option("--launchd", "manager", flag_value="launchd", help="A launchd property list.")
@click.option("--system", is_flag=True, help="For the machine's manager, not the user's own.")
@pass_settings
def service(settings: Settings, manager: str | None, system: bool) -> None:
    """Print what a service manager needs to run the node from now on.

    That is a systemd unit, on macOS a launchd property list. It goes to standard output; what to
    do with it, to standard error.
    """
    config = settings.config_file().absolute()
    launchd = (manager or ("launchd" if sys.platform == "darwin" else "systemd")) == "launchd"
    made = _service(config, system=system, launchd=launchd)
    click.echo(launchd_plist(made) if launchd else systemd_unit(made), nl=False)
    click.echo(_next_steps(made, config, launchd=launchd), err=True)


def console_script() -> tuple[str, ...]:
    """Return the command that runs this program again, whatever the working folder."""
    script = Path(sys.executable).with_name("clawmatrix")
    if script.is_file() and os.access(script, os.X_OK):
        return (str(script),)
    return (sys.executable, "-P", "-m", "clawmatrix_core.cli")


def variables(value: object) -> Iterator[str]:
    """Yield the names of the variables that a configuration reads."""
    if isinstance(value, str) and value.startswith("env:"):
        yield value.removeprefix("env:")
    elif isinstance(value, dict):
        for one in value.values():
            yield from variables(one)
    elif isinstance(value, list):
        for one in value:
            yield from variables(one)


def _service(config: Path, *, system: bool, launchd: bool) -> Service:
    place = locate(config)
    if not is_node_id(place.node_id):
        raise ConfigError([f"node_id: {place.node_id!r} is not the name of a node"])
    owner = _owner(config)
    logs = Path("/Library/Logs") if system else Path(owner.pw_dir) / "Library" / "Logs"
    home = {"HOME": owner.pw_dir} if system and launchd else {}  # systemd sets it itself
    reads = any(variables(tomllib.loads(config.read_text())))
    return Service(
        place.node_id,
        (*console_script(), "run", "-c", str(config)),
        place.state_dir,
        environ={**home, **_environ(os.environ)},
        environ_file=config.with_suffix(".env") if reads and not launchd else None,
        user=owner.pw_name if system else None,
        log=logs / f"clawmatrix-{place.node_id}.log",
    )


def _owner(config: Path) -> pwd.struct_passwd:
    """Return the owner of the configuration file. Raises: ConfigError."""
    uid = config.stat().st_uid
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        told = f"{config} belongs to the user {uid}, which this machine has no name for"
        raise ConfigError([f"{told}: give the file to a user of this machine (chown)"]) from None


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    # A manager does not know what the shell was told, and the node would not find its keys.
    state = environ.get("XDG_STATE_HOME")
    return {"XDG_STATE_HOME": state} if state else {}


def _next_steps(made: Service, config: Path, *, launchd: bool) -> str:
    options = [*(["--launchd"] if launchd else []), *(["--system"] if made.user else [])]
    again = " ".join(["clawmatrix service", *options, "-c", click.format_filename(config)])
    if launchd:
        steps = _LAUNCHD_USER if made.user is None else _LAUNCHD_SYSTEM
    else:
        steps = _SYSTEMD_USER if made.user is None else _SYSTEMD_SYSTEM
    text = steps.format(again=again, unit=made.unit, label=made.label, user=made.user, log=made.log)
    names = ", ".join(dict.fromkeys(variables(tomllib.loads(config.read_text()))))
    if names and made.environ_file is not None:
        text += f"\nThe configuration reads {names}: write NAME=value lines to {made.environ_file}"
        text += " (chmod 600)"
    elif names:
        text += f"\nThe configuration reads {names}, which launchd does not have: use file:PATH"
    return text
