"""``clawmatrix secret``."""

from __future__ import annotations

import io
import tomllib
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.cli.secret import with_secret, without_previous
from clawmatrix_core.cli.shell import execute

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW, NEWER = "o" * 40, "n" * 40, "w" * 40
TEXT = f"""\
# A node.
node_id = "office"   # its name
secret = "{OLD}"

[mesh]
secret_place = 1
peers = ["ws://127.0.0.1:1"]
"""


def test_a_new_secret_takes_the_place_of_the_old_one() -> None:
    text = with_secret(TEXT, NEW)
    assert tomllib.loads(text) == {
        **tomllib.loads(TEXT),
        "secret": NEW,
        "previous_secrets": [OLD],
    }
    assert text.startswith('# A node.\nnode_id = "office"   # its name\n')
    again = with_secret(text, NEWER)
    assert tomllib.loads(again)["previous_secrets"] == [NEW, OLD]
    assert without_previous(again) == TEXT.replace(OLD, NEWER)


def test_going_back_is_going_on() -> None:
    back = tomllib.loads(with_secret(with_secret(TEXT, NEW), OLD))
    assert back["secret"] == OLD
    assert back["previous_secrets"][0] == NEW


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('node_id = "a"\n', "is missing"),
        (TEXT.replace(OLD, NEW), "is this one already"),
        (f'"secret" = "{OLD}"\n', "edit the file"),
        (f'secret = "{OLD}"\nprevious_secrets = [\n  "{NEWER}",\n]\n', "edit the file"),
        (f'secret = """\n{OLD}"""\n', "edit the file"),
    ],
)
def test_what_cannot_be_changed_safely_is_left_to_a_person(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        with_secret(text, NEW)
    assert OLD not in str(caught.value)


def test_there_has_to_be_something_to_retire() -> None:
    with pytest.raises(ConfigError, match="none to retire"):
        without_previous(TEXT)


def test_fresh_secrets_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["secret", "new"]) == 0
    assert execute(["secret", "new"]) == 0
    one, other = capsys.readouterr().out.split()
    assert one != other
    assert len(one) == len(other) == 43


def test_the_secret_of_a_file_is_exchanged_and_retired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(TEXT.replace("secret_place = 1\n", ""))
    path.chmod(0o600)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{NEW}\n"))
    assert execute(["secret", "use", "-c", str(path)]) == 0
    assert path.stat().st_mode & 0o777 == 0o600
    assert execute(["config", "check", "-c", str(path)]) == 0
    assert execute(["secret", "retire", "-c", str(path)]) == 0
    assert execute(["config", "check", "-c", str(path)]) == 0
    assert tomllib.loads(path.read_text())["secret"] == NEW
    assert "previous_secrets" not in path.read_text()
    assert list(tmp_path.iterdir()) == [path]
    told = capsys.readouterr()
    assert NEW not in told.out + told.err
    assert "clawmatrix secret retire" in told.out


@pytest.mark.parametrize("new", ["short", "", "env:NOT_SET_FOR_THIS"])
def test_a_secret_that_is_none_changes_nothing(
    new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(TEXT)
    path.chmod(0o600)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{new}\n"))
    arguments = [new] if new.startswith("env:") else []
    assert execute(["secret", "use", *arguments, "-c", str(path)]) == 2
    assert path.read_text() == TEXT


def test_a_secret_does_not_stand_on_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["secret", "use", NEW]) == 2
    assert "not written on the command line" in capsys.readouterr().err
