"""How a version stands in the document: a key of its path and id, and a text that says the rest."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from clawmatrix_knowledge.index.numbers import MalformedError
from clawmatrix_knowledge.paths import PathError, check_path
from clawmatrix_knowledge.versions import ContentId, Kind, MergeClass, Version, VersionId

__all__ = ["FORMAT", "PARENTS", "key_of", "read_entry", "value_of"]

FORMAT: Final = 1
"""The number of what is written here; nodes with another one do not sync."""
PARENTS: Final = 64
"""Versions that one version may replace."""
_ID: Final = r"^[0-9a-f]{64}\Z"
_Id = Annotated[str, msgspec.Meta(pattern=_ID)]
_Content = Annotated[str, msgspec.Meta(pattern=r"^b?[0-9a-f]{64}\Z")]
_Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_KindLetter: TypeAlias = Literal["t", "b", "d"]
_ClassLetter: TypeAlias = Literal["u", "l", "s", "b"]
_KINDS: Final[dict[_KindLetter, Kind]] = {"t": "text", "b": "binary", "d": "deleted"}
_CLASSES: Final[dict[_ClassLetter, MergeClass]] = {
    "u": "union",
    "l": "lines",
    "s": "strict",
    "b": "binary",
}
_KIND_LETTERS: Final = {name: letter for letter, name in _KINDS.items()}
_CLASS_LETTERS: Final = {name: letter for letter, name in _CLASSES.items()}


class _Value(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    k: _KindLetter
    m: _ClassLetter
    r: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    c: _Content | None = None
    x: Literal[0, 1] = 0
    p: Annotated[tuple[_Id, ...], msgspec.Meta(max_length=PARENTS)] = ()
    s: _Number = 0
    t: _Number = 0
    a: Annotated[str, msgspec.Meta(max_length=64)] = ""
    w: _Number = 0


_DECODER: Final = msgspec.json.Decoder(_Value)
_ENCODER: Final = msgspec.json.Encoder()


def key_of(version: Version) -> str:
    """Return the key of a version."""
    return f"{version.path}\0{version.id}"


def value_of(version: Version) -> str:
    """Return the text of a version."""
    value = _Value(
        k=_KIND_LETTERS[version.kind],
        m=_CLASS_LETTERS[version.merge_class],
        r=version.rules,
        c=version.content,
        x=1 if version.executable else 0,
        p=version.parents,
        s=version.size,
        t=version.mtime,
        a=version.author,
        w=version.time,
    )
    return _ENCODER.encode(value).decode()


def read_entry(key: str, text: str) -> Version:
    """Return the version of an entry. Raises: MalformedError, where it is not written right."""
    path, found, named = key.partition("\0")
    if not found:
        raise MalformedError("an entry has no version")
    try:
        check_path(path)
    except PathError as error:
        raise MalformedError(f"a path {error}") from None
    try:
        value = _DECODER.decode(text)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise MalformedError(f"a version does not read: {error}") from None
    if _ENCODER.encode(value) != text.encode():
        raise MalformedError("a version is not written as it should be")
    version = _version(path, value)
    if version.id != named:
        raise MalformedError("a version has an id that is not its own")
    return version


def _version(path: str, value: _Value) -> Version:
    if (value.k == "d") != (value.c is None) or list(value.p) != sorted(set(value.p)):
        raise MalformedError("a version contradicts itself")
    return Version(
        path=path,
        kind=_KINDS[value.k],
        content=None if value.c is None else ContentId(value.c),
        executable=bool(value.x),
        merge_class=_CLASSES[value.m],
        parents=tuple(map(VersionId, value.p)),
        rules=value.r,
        size=value.s,
        mtime=value.t,
        author=value.a,
        time=value.w,
    )
