"""A configuration file is changed as a whole, or not at all."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import pytest

from clawmatrix_core import ConfigError
from clawmatrix_core.cli.rewriting import rewrite_config

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core import Config

pytestmark = pytest.mark.anyio

TEXT = b'# A node.\r\nnode_id = "a"\r\nsecret = "' + b"s" * 40 + b'"\r\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "real" / "a.toml"
    path.parent.mkdir()
    path.write_bytes(TEXT)
    path.chmod(0o640)
    return path


def tagged(text: str) -> str:
    return text + 'tags = ["x"]\r\n'


def test_mode_owner_and_a_link_stay(path: Path, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    before = path.stat()
    path.chmod(0o600)
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    seen: list[Config] = []

    def check(config: Config) -> list[str]:
        seen.append(config)
        return []

    assert rewrite_config(link, tagged, check) == path
    assert path.read_bytes() == tagged(TEXT.decode()).encode()
    assert [config.tags for config in seen] == [("x",)]
    after = path.stat()
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    assert after.st_mode & 0o7777 == 0o600
    assert link.is_symlink()
    assert os.listdir(path.parent) == ["a.toml"]


def no_toml(text: str) -> str:
    return text + "["


def refusing(text: str) -> str:
    raise ConfigError(["edit it by hand"])


@pytest.mark.parametrize(
    ("edit", "problems", "words"),
    [
        (tagged, ["tags: no"], "tags: no"),
        (no_toml, [], "/real/a.toml: "),
        (refusing, [], "edit it by hand"),
    ],
)
def test_what_would_be_wrong_is_not_written(
    path: Path, edit: type[str], problems: list[str], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        rewrite_config(path, edit, lambda _: problems)
    assert path.read_bytes() == TEXT
    assert os.listdir(path.parent) == ["a.toml"]


def test_a_file_that_an_editor_saves_meanwhile_is_left_as_it_is(path: Path) -> None:
    def check(_: Config) -> list[str]:
        path.write_bytes(TEXT + b"# Mine.\n")
        return []

    with pytest.raises(ConfigError, match="was changed meanwhile"):
        rewrite_config(path, tagged, check)
    assert path.read_bytes() == TEXT + b"# Mine.\n"


def test_a_full_disk_is_named(path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(TEXT), before[1]))
    try:
        with pytest.raises(ConfigError, match="cannot be written: File too large"):
            rewrite_config(path, tagged)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == TEXT
    assert os.listdir(path.parent) == ["a.toml"]


async def test_changes_at_one_time_all_last(path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        for n in range(8):
            tasks.start_soon(anyio.to_thread.run_sync, add_line, path, n)
    assert sorted(added(path)) == [f"# {n}" for n in range(8)]


def add_line(path: Path, n: int) -> None:
    rewrite_config(path, lambda text: f"{text}# {n}\n")


def added(path: Path) -> list[str]:
    return path.read_text().splitlines()[3:]
