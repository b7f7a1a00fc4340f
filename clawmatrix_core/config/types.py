"""Values that a configuration writes as text: secrets, sizes, durations, addresses.

Any class with ``config_words`` and a ``from_config`` classmethod can be the type of an
option; a plugin makes its own in the same way.
"""

from __future__ import annotations

import hmac
import math
import os
import re
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

import attrs

from clawmatrix_core.base.text import NOT_UTF8, has_surrogates

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ByteSize",
    "ConfigValue",
    "Duration",
    "HostPort",
    "Secret",
    "SecretFile",
    "Source",
    "read_path",
]

SECRET_FILE_LIMIT = 64 * 1024
READABLE_BY_OTHERS = 0o044

_NUMBER_AND_UNIT = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")
_SIZES = {"": 1, "b": 1} | {
    unit: base**power
    for base, ending in ((1000, "b"), (1024, "ib"))
    for power, letter in enumerate("kmgt", start=1)
    for unit in (letter + ending,)
}
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DIGITS_MOST = 30
_SIZE_MOST = 2**60
_DAYS_MOST = 10_000


@attrs.define
class Source:
    """Where a configuration comes from, as far as its values depend on it.

    Attributes:
        base: the folder that relative paths start from.
        mode: permission bits of the file; None where there is no file.
        node_id: the node's name; None where the configuration has none that is valid.
        state_dir: the folder of the node's state; None as well.
        environ: what ``env:NAME`` looks in.
        secrets: every secret read so far, so that messages can be cleaned of them.
        secret_files: the files that were named as holding secrets, there or not.
    """

    base: Path = attrs.field(factory=Path.cwd)
    mode: int | None = None
    node_id: str | None = None
    state_dir: Path | None = None
    environ: Mapping[str, str] = attrs.field(factory=lambda: os.environ, repr=False)
    secrets: list[Secret] = attrs.field(factory=list)
    secret_files: list[Path] = attrs.field(factory=list)

    def remember(self, text: str) -> Secret:
        """Return the text as a secret, kept in ``secrets``."""
        secret = Secret(text)
        self.secrets.append(secret)
        return secret


class ConfigValue(Protocol):
    """A type that knows how to read itself from a configuration."""

    config_words: ClassVar[str]
    """What to write, as in "expected ..."."""

    @classmethod
    def from_config(cls, value: object, source: Source) -> Self:
        """Return the value. Raises: ValueError, with words a person can act on.

        TypeError says that the value is of the wrong kind; the user then reads
        "expected ``config_words``" and, but for a Secret, the value.
        """
        ...


class Secret:
    """A text that shows itself only through ``reveal``."""

    config_words: ClassVar[str] = 'a secret: the text itself, "env:NAME" or "file:PATH"'
    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def from_config(cls, value: object, source: Source) -> Secret:
        """Return the secret that the text is, or names. Raises: ValueError, TypeError."""
        if isinstance(value, Secret):
            return source.remember(value.reveal())
        if not isinstance(value, str):
            raise TypeError
        if value.startswith("env:"):
            text = _from_environment(value.removeprefix("env:"), source)
        elif value.startswith("file:"):
            path = read_path(value.removeprefix("file:"), source)
            source.secret_files.append(path)
            text = _from_file(path)
        else:
            text = value
        if not text:
            raise ValueError("is empty")
        if has_surrogates(text):
            raise ValueError(NOT_UTF8)
        secret = source.remember(text)
        if text is value and source.mode is not None and source.mode & READABLE_BY_OTHERS:
            raise ValueError(
                f"is written out in a file that others can read (mode {source.mode:04o}): "
                "chmod 600 the file, or write env:NAME or file:PATH"
            )
        return secret

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __len__(self) -> int:
        return len(self._text)

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def _from_environment(name: str, source: Source) -> str:
    if (text := source.environ.get(name)) is None:
        raise ValueError(f"the environment variable {name} is not set")
    return text.strip()


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode & 0o7777
            data = file.read(SECRET_FILE_LIMIT + 1)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    if mode & READABLE_BY_OTHERS:
        raise ValueError(f"others can read {path} (mode {mode:04o}): chmod 600 it")
    if len(data) > SECRET_FILE_LIMIT:
        raise ValueError(f"{path} has more than {SECRET_FILE_LIMIT} bytes")
    try:
        return data.decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None


def read_path(value: object, source: Source) -> Path:
    """Return an absolute path, ``~`` expanded. Raises: ValueError, TypeError."""
    if not isinstance(value, (str, Path)):
        raise TypeError
    if not str(value) or "\0" in str(value):
        raise ValueError("is not a path")
    try:
        return source.base.absolute() / Path(value).expanduser()
    except RuntimeError:
        raise ValueError(f"the home folder in {str(value)!r} is not known") from None


class SecretFile(PosixPath):
    """The path of a file that holds a secret, such as a private key: no tool reads it."""

    config_words: ClassVar[str] = "a path"
    __slots__ = ()

    @classmethod
    def from_config(cls, value: object, source: Source) -> SecretFile:
        """Return the path, as ``read_path`` does. Raises: ValueError, TypeError."""
        path = read_path(value, source)
        source.secret_files.append(path)
        return cls(path)


class ByteSize(int):
    """A number of bytes."""

    config_words: ClassVar[str] = 'a size: a number of bytes, or text like "512 kB" or "4 GiB"'

    @classmethod
    def from_config(cls, value: object, source: Source) -> ByteSize:
        """Return the size. Raises: ValueError, TypeError."""
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls._checked(value)
        if not isinstance(value, str):
            raise TypeError
        return cls.parse(value)

    @classmethod
    def parse(cls, text: str) -> ByteSize:
        """Return the size the text says: ``512 kB`` is 512,000 bytes, ``4 GiB`` is 4 x 2**30.

        Raises: TypeError; ValueError, for more than any machine has.
        """
        if (match := _NUMBER_AND_UNIT.fullmatch(text)) is None or match[2].lower() not in _SIZES:
            raise TypeError
        if len(match[1]) > _DIGITS_MOST:
            raise ValueError(f"has a number of more than {_DIGITS_MOST} digits")
        number = float(match[1]) if "." in match[1] else int(match[1])
        return cls._checked(number * _SIZES[match[2].lower()])

    @classmethod
    def _checked(cls, size: float) -> ByteSize:
        if size > _SIZE_MOST:
            raise ValueError(f"must be at most {_SIZE_MOST} bytes")
        return cls(size)

    def __str__(self) -> str:
        size, unit = int(self), "B"
        for bigger in ("KiB", "MiB", "GiB", "TiB"):
            if size < 1024 or size % 1024:
                break
            size, unit = size // 1024, bigger
        return f"{size} {unit}"


class Duration(float):
    """A number of seconds, zero or more."""

    config_words: ClassVar[str] = 'a duration: seconds, or text like "100ms", "30s" or "5m"'

    @classmethod
    def from_config(cls, value: object, source: Source) -> Duration:
        """Return the duration. Raises: ValueError, TypeError."""
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not 0 <= value < math.inf:
                raise ValueError("must be zero or more, and finite")
            return cls._checked(value)
        if not isinstance(value, str):
            raise TypeError
        return cls.parse(value)

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Return the duration the text says.

        Raises: TypeError; ValueError, for more than timers take.
        """
        if (match := _NUMBER_AND_UNIT.fullmatch(text)) is None or match[2] not in _SECONDS:
            raise TypeError
        return cls._checked(float(match[1]) * _SECONDS[match[2]])

    @classmethod
    def _checked(cls, seconds: float) -> Duration:
        if seconds > _DAYS_MOST * 86400:
            raise ValueError(f"must be at most {_DAYS_MOST} days")
        return cls(seconds)


@attrs.frozen
class HostPort:
    """An address to listen on or to connect to; port 0 asks for any free one."""

    config_words: ClassVar[str] = 'an address like "127.0.0.1:19100" or "[::1]:19100"'
    everywhere: ClassVar[str] = "[::]"
    """The host for all addresses of the machine."""

    host: str
    port: int

    @classmethod
    def from_config(cls, value: object, source: Source) -> HostPort:
        """Return the address. Raises: ValueError, TypeError."""
        if isinstance(value, HostPort):
            return value
        if not isinstance(value, str):
            raise TypeError
        return cls.parse(value)

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """Return the address the text says. Raises: ValueError, TypeError."""
        host, colon, port = text.rpartition(":")
        if not colon or re.fullmatch("[0-9]{1,5}", port) is None or re.search(r"[\s/@]", host):
            raise TypeError
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError("an IPv6 address goes in brackets: [::1]:19100")
        if not host or (host == "*" and cls.everywhere != "*"):
            raise ValueError(f'names no host: "{cls.everywhere}:{port}" listens on all addresses')
        if int(port) > 65535:
            raise ValueError("the port must be at most 65535")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
