"""``clawmatrix join``: where the invitation comes from, and what is never shown of it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.fixtures import free_port
from clawmatrix_mesh.invite.token import Token
from tests.tools.forking import commands

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "correct-horse"


def token_for(*addresses: str) -> str:
    return Token(b"i" * 8, b"s" * 32, b"k" * 32, "office", addresses).encode()


def join(
    folder: Path, *arguments: str, given: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command without a terminal; ``given`` is what its standard input has."""
    return commands().run(_words(folder, *arguments), env=_environ(folder), told=given or "")


def _words(folder: Path, *arguments: str) -> list[str]:
    return ["join", "-c", str(folder / "new.toml"), *arguments]


def _environ(folder: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}


@pytest.mark.parametrize("arguments", [(), ("-",)])
def test_the_token_is_read_from_standard_input(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    token = token_for(f"ws://127.0.0.1:{free_port()}")
    done = join(tmp_path, *arguments, given=f"{token}\n")
    assert done.returncode == 6, done
    assert "office is not reached" in done.stderr
    assert token not in done.stderr + done.stdout


def test_the_token_as_an_argument_still_works(tmp_path: Path) -> None:
    done = join(tmp_path, token_for(f"ws://127.0.0.1:{free_port()}"))
    assert done.returncode == 6, done


def test_the_state_folder_that_is_named_gets_the_keys(tmp_path: Path) -> None:
    token = token_for(f"ws://127.0.0.1:{free_port()}")
    done = join(tmp_path, "--state", str(tmp_path / "kept"), "-", given=token)
    assert done.returncode == 6, done
    assert (tmp_path / "kept").is_dir()
    assert not (tmp_path / "state").exists()


def test_an_address_for_http_is_checked_before_the_invitation_is_used(tmp_path: Path) -> None:
    done = join(tmp_path, "--http", "nowhere", given=token_for("ws://127.0.0.1:1"))
    assert done.returncode == 2
    assert "--http" in done.stderr


def test_no_invitation_at_all_is_named(tmp_path: Path) -> None:
    done = join(tmp_path, given="\n")
    assert done.returncode == 8
    assert "no invitation came by standard input" in done.stderr


def test_on_a_terminal_the_token_is_asked_for_and_not_shown(tmp_path: Path) -> None:
    token = token_for(f"ws://127.0.0.1:{free_port()}")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "clawmatrix_core.cli", *_words(tmp_path)],
        env=_environ(tmp_path),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    while "Invitation" not in shown:
        shown += os.read(ours, 4096).decode()
    os.write(ours, f"{token}\n".encode())
    while "is not reached" not in shown:
        shown += os.read(ours, 4096).decode()
    assert process.wait(30) == 6
    os.close(ours)
    assert token[:20] not in shown


@pytest.mark.parametrize(
    "tail", ["/", "/#part", "#part", "/?query=correct-horse", "/?a=1#correct-horse"]
)
def test_what_an_address_hides_is_not_printed(tmp_path: Path, tail: str) -> None:
    address = f"ws://user:{PASSWORD}@127.0.0.1:{free_port()}{tail}"
    done = join(tmp_path, given=token_for(address))
    assert done.returncode == 6, done
    assert PASSWORD not in done.stdout + done.stderr
