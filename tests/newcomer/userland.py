"""A clean Debian, in a folder: made by debootstrap, entered by chroot.

Where packages come from is for the machine to say: its apt's mirror, and its pip's settings. They
are passed by variables of the environment, and written to no file that stays.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Userland", "make_userland"]

_SYSTEM = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_USERS = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_ENTER = """\
set -e
root=$1 host=$2; shift 2
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
touch "$root/etc/hosts" "$root/etc/resolv.conf"
mount --bind /etc/hosts "$root/etc/hosts"
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"
hostname "$host"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir -p "$root$1"; else mkdir -p "$root${1%/*}"; touch "$root$1"; fi
    mount --bind "$1" "$root$1"; shift
done
shift
exec chroot "$@"
"""
"""Begins a command in a userland: ROOT HOST PATH... -- OPTIONS ROOT COMMAND."""


def _mirror() -> str:
    """Return where this machine's apt gets Debian from."""
    wanted = ("apt-get", "indextargets", "--format", "$(SITE)|$(ORIGIN)|$(LABEL)")
    printed = subprocess.run(wanted, check=True, capture_output=True, text=True).stdout
    found = [line.split("|")[0] for line in printed.split("\n") if line.endswith("|Debian|Debian")]
    if not found:
        pytest.skip("this machine's apt has no mirror of Debian: run apt-get update")
    return found[0]


def _pip_settings() -> dict[str, str]:
    """Return the settings of this machine's pip, as variables of the environment."""
    command = (sys.executable, "-m", "pip", "config", "list")
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    pairs = re.findall(r"(?m)^(?:global|install|:env:)\.([\w-]+)=(.*)$", printed)
    return {
        f"PIP_{name.upper().replace('-', '_')}": " ".join(str(ast.literal_eval(value)).split())
        for name, value in pairs
    }


def _for_uv(pip: Mapping[str, str]) -> dict[str, str]:
    """Return the same for uv."""
    names = ("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "CONSTRAINT")
    found = {f"UV_{name}": pip[f"PIP_{name}"] for name in names if f"PIP_{name}" in pip}
    if "UV_FIND_LINKS" in found:
        found["UV_FIND_LINKS"] = found["UV_FIND_LINKS"].replace(" ", ",")
    found["SSL_CERT_FILE"] = _CERTIFICATES
    return {**found, "UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}


def _paths(settings: Mapping[str, str]) -> list[str]:
    """Return the files and folders of this machine that settings name."""
    words = [word for value in settings.values() for word in value.split()]
    # An index in a folder may name packages in folders beside it.
    indexes = [str(Path(word[7:]).parent) for word in words if word.startswith("file://")]
    plain = [word for word in words if word.startswith("/")]
    return sorted({path for path in (*indexes, *plain) if Path(path).exists()})


@attrs.define
class Userland:
    """A Debian in a folder.

    Attributes:
        root: the folder.
        settings: variables with which pip and uv find packages, those of this project too.
    """

    root: Path
    settings: dict[str, str]

    def command(self, user: str, host: str, *command: str) -> list[str]:
        """Return what runs a command in here, with what the machine says of names."""
        paths = dict.fromkeys([*_paths(self.settings), _CERTIFICATES])
        home = "/root" if user == "root" else f"/home/{user}"
        path = _SYSTEM if user == "root" else _USERS
        environ = {"HOME": home, "USER": user, "LOGNAME": user, "PATH": path, "TERM": "dumb"}
        environ |= {"LANG": "C.UTF-8", "SHELL": "/bin/bash", **self.settings}
        clean = ["env", "-i", *(f"{name}={value}" for name, value in environ.items())]
        inside = [f"--userspec={user}:{user}", str(self.root), *clean, *command]
        begin = ["unshare", "--mount", "--uts", "sh", "-c", _ENTER, "sh", str(self.root), host]
        return [*begin, *paths, "--", *inside]

    def shell(self, user: str, host: str, line: str) -> list[str]:
        """Return what runs a line in a new shell of a user, as a terminal begins one."""
        return self.command(user, host, "bash", "-lic", f"cd; {line}")

    def as_root(self, line: str) -> None:
        """Run a line of the system's own user."""
        command = self.command("root", "debian", "bash", "-c", line)
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"


def make_userland(suite: str, folder: Path, wheel: Path) -> Userland:
    """Make a clean userland of a suite of Debian.

    Args:
        suite: ``bookworm`` or another that the mirror has.
        folder: where it is made.
        wheel: the package of this project.
    """
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("a clean Debian needs root and debootstrap: `make first-answer` as root")
    root = folder / suite
    made = subprocess.run(
        ("debootstrap", "--variant=minbase", "--include=ca-certificates", suite, root, _mirror()),
        check=False, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip(f"debootstrap made no {suite}: {made.stdout[-300:]}{made.stderr[-300:]}")
    pip = _pip_settings()
    constraints = folder / "this-commit.txt"
    # Whatever else a registry has under this name, it is this version that is tested.
    constraints.write_text("clawmatrix=={}\n".format(wheel.name.split("-")[1]))
    pip["PIP_CONSTRAINT"] = str(constraints)
    pip["PIP_FIND_LINKS"] = f"{pip.get('PIP_FIND_LINKS', '')} {wheel.parent}".strip()
    apt = folder / "apt.conf"
    apt.write_text('APT::Get::Assume-Yes "true";\nDpkg::Use-Pty "false";\n')
    for file in (constraints, apt):
        file.chmod(0o644)
    settings = {**pip, **_for_uv(pip), "APT_CONFIG": str(apt), "DEBIAN_FRONTEND": "noninteractive"}
    return Userland(root, settings)
