"""What a service manager is told to run a node: a systemd unit, a launchd plist. Pure."""

from __future__ import annotations

import plistlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.cli.context import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GIVE_UP", "Service", "launchd_plist", "systemd_unit"]

GIVE_UP = (ExitCode.CONFIG, ExitCode.NEWER_STATE)
"""Exit codes after which starting again changes nothing: a person has to."""

_FILES = 16384
"""Open files: macOS allows 256 unless told otherwise."""
_STOP = 20
"""Seconds to stop in; a node takes a second or two."""
_AGAIN_SYSTEMD, _AGAIN_LAUNCHD = 5, 30
"""Seconds before the next start. launchd starts again after every failure, so less often."""
_READ_ONLY = [Path(name) for name in ("/boot", "/efi", "/etc", "/usr")]
"""What ``ProtectSystem=full`` makes read-only."""
_PLAIN = re.compile(r"[A-Za-z0-9_@+:,./=-]+")


@attrs.frozen
class Service:
    """A node as a service.

    Attributes:
        node_id: its name.
        command: what runs it, every path absolute.
        state_dir: where it keeps its state.
        environ: variables that it needs to find the same files as from a shell.
        environ_file: where a person puts variables that the configuration reads, if it does.
        user: who it runs as, where the whole machine's manager runs it; None for a user's own.
        log: the file that launchd writes its output to.
    """

    node_id: str
    command: tuple[str, ...]
    state_dir: Path
    environ: Mapping[str, str] = attrs.field(factory=dict)
    environ_file: Path | None = None
    user: str | None = None
    log: Path | None = None

    def __attrs_post_init__(self) -> None:
        texts = [*self.command, *self.environ.values(), str(self.environ_file), str(self.log)]
        if not all(text.isprintable() for text in texts):
            raise ConfigError(["a path with unprintable characters cannot be that of a service"])

    @property
    def unit(self) -> str:
        """The name of the systemd unit."""
        return f"clawmatrix-{self.node_id}.service"

    @property
    def label(self) -> str:
        """The name that launchd knows it by."""
        return f"clawmatrix.{self.node_id}"


def systemd_unit(service: Service) -> str:
    """Return the text of a unit, for the user's manager or the machine's."""
    return "\n".join(
        [
            "[Unit]",
            f"Description=ClawMatrix node {service.node_id}",
            *(_NETWORK if service.user is not None else ()),
            "# Try for ever: a port or a disk may come back.",
            "StartLimitIntervalSec=0",
            "",
            "[Service]",
            "Type=exec",
            *([f"User={_specifiers(service.user)}"] if service.user is not None else ()),
            f"ExecStart=:{_command_line(service)}",
            "ExecReload=/bin/kill -HUP $MAINPID",
            *(f"Environment={_quoted(f'{k}={v}')}" for k, v in sorted(service.environ.items())),
            *_environ_file(service),
            *_RUNNING,
            "",
            *_HARDENING,
            *_system_hardening(service),
            "",
            "[Install]",
            f"WantedBy={'default.target' if service.user is None else 'multi-user.target'}",
            "",
        ]
    )


def launchd_plist(service: Service) -> str:
    """Return the text of a property list, for a user's agent or the machine's daemon."""
    told: dict[str, object] = {
        "Label": service.label,
        "ProgramArguments": list(service.command),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": _AGAIN_LAUNCHD,
        "ExitTimeOut": _STOP,
        "SoftResourceLimits": {"NumberOfFiles": _FILES},
        "Umask": 0o077,
    }
    if service.environ:
        told["EnvironmentVariables"] = dict(service.environ)
    if service.user is not None:
        told["UserName"] = service.user
    if service.log is not None:
        told["StandardOutPath"] = told["StandardErrorPath"] = str(service.log)
    return plistlib.dumps(told, sort_keys=False).decode()


_NETWORK = ("Wants=network-online.target", "After=network-online.target")

_RUNNING = (
    "Restart=on-failure",
    f"RestartSec={_AGAIN_SYSTEMD}",
    "# Wrong configuration, or state of a newer version: a person has to see to it.",
    f"RestartPreventExitStatus={' '.join(str(int(code)) for code in GIVE_UP)}",
    f"TimeoutStopSec={_STOP}",
    f"LimitNOFILE={_FILES}",
)

_HARDENING = (
    "# None of these needs a namespace, so that a user's own manager can apply all of them.",
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK",
    "SystemCallArchitectures=native",
    "UMask=0077",
)

_SYSTEM_HARDENING = (
    "# The temporary folder stays shared: the control socket may lie there.",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
)


def _system_hardening(service: Service) -> list[str]:
    if service.user is None:
        return []
    if any(service.state_dir.is_relative_to(folder) for folder in _READ_ONLY):
        return [*_SYSTEM_HARDENING]
    return [*_SYSTEM_HARDENING, "ProtectSystem=full"]


def _environ_file(service: Service) -> list[str]:
    if service.environ_file is None:
        return []
    return [f"EnvironmentFile=-{_specifiers(str(service.environ_file))}"]


def _command_line(service: Service) -> str:
    """Return the command behind a colon, which leaves $ in it alone."""
    words = service.command
    if any(char in words[0] for char in "\"'\\"):  # systemd runs no program of such a name
        words = ("/usr/bin/env", *words)
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    """Return a word as systemd reads it back."""
    if not _PLAIN.fullmatch(word):
        escaped = word.replace("\\", "\\\\").replace('"', '\\"')
        word = f'"{escaped}"'
    return _specifiers(word)


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")
