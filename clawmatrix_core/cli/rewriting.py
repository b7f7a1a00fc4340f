"""Changing a configuration file that a person wrote: as a whole, or not at all."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

__all__ = ["rewrite_config"]


def rewrite_config(
    path: Path,
    edit: Callable[[str], str],
    check: Callable[[Config], Iterable[str]] = lambda _: (),
) -> Path:
    """Put an edited text in the place of a configuration; return the path of the file itself.

    Mode and owner stay, and a link goes on pointing to the file. Two commands that change one
    file at a time do so one after the other.

    Args:
        path: the configuration, or a link to it.
        edit: returns the new text of the file, given the old one; it may raise ConfigError.
        check: returns the mistakes in the configuration of the new text.

    Raises: ConfigError, where the file is no configuration, where the new text has a mistake, or
        where it cannot be written; nothing is changed then.
    """
    path = path.resolve()
    Config.load(path)  # raises for invalid TOML, and for a file that everybody can change
    try:
        with _alone(path):
            before = path.read_bytes()
            with _draft(path, edit(before.decode()).encode()) as draft:
                if problems := [*_problems(draft, check)]:
                    raise ConfigError([told.replace(str(draft), str(path)) for told in problems])
                if path.read_bytes() != before:
                    raise ConfigError([f"{path} was changed meanwhile: nothing was written"])
                draft.replace(path)
            _settle(path.parent)
    except OSError as error:
        raise ConfigError([f"{path} cannot be written: {error.strerror}"]) from None
    return path


def _problems(draft: Path, check: Callable[[Config], Iterable[str]]) -> Iterable[str]:
    try:
        return check(Config.load(draft))
    except ConfigError as error:
        return error.problems


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other command changes the file, and keep others waiting."""
    while True:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                yield
                return
        # Whoever had the lock put another file in its place.


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """Have the content in a file beside the path, of the same mode and owner."""
    there = path.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    draft = path.with_name(os.path.basename(name))
    try:
        with open(descriptor, "wb") as file:
            if (there.st_uid, there.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), there.st_uid, there.st_gid)
            os.fchmod(file.fileno(), there.st_mode & 0o777)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Have the disk know that another file has the name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
