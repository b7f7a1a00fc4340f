"""One grant in the text of a configuration: added, with comments and order kept. No I/O."""

from __future__ import annotations

import copy
import re
import tomllib
from typing import TYPE_CHECKING, Any

import attrs

from clawmatrix_core import ConfigError
from clawmatrix_core.cli import CommandError, toml_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import ModuleType

__all__ = ["Addition", "load_tomlkit", "with_grant"]

_BARE_KEY = re.compile("[A-Za-z0-9_-]+")
_LINE_END = re.compile(r"\r?\n")
_HEADER = r"""(?m)^[ \t]*\[[ \t]*["']?grants["']?[ \t]*\.[ \t]*["']?{}["']?[ \t]*\][^\n]*\n"""


@attrs.frozen
class Addition:
    """What is added to the table of a peer.

    Attributes:
        peer: the name of the table below ``grants``.
        key: the key that it shall have, as text; None leaves the key as it is.
        lists: names and patterns by the key of their list, ``{"tools": ["read"]}``.
    """

    peer: str
    key: str | None
    lists: Mapping[str, Sequence[str]]

    @property
    def header(self) -> str:
        """The table as TOML names it: ``grants.home``."""
        bare = _BARE_KEY.fullmatch(self.peer)
        return f"grants.{self.peer}" if bare else f'grants."{self.peer}"'

    def missing_in(self, table: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the names that a table does not have yet, by list; lists without any are out."""
        wanted = {name: list(dict.fromkeys(items)) for name, items in self.lists.items()}
        left = {
            name: [item for item in items if item not in table.get(name, ())]
            for name, items in wanted.items()
        }
        return {name: items for name, items in left.items() if items}

    def put_into(self, table: dict[str, Any]) -> None:
        """Add it to a plain table."""
        for name, items in self.missing_in(table).items():
            table[name] = [*table.get(name, ()), *items]
        if self.key is not None:
            table["key"] = self.key


def with_grant(text: str, addition: Addition) -> str:
    """Return a configuration in which a peer has more; the same text where it has all already.

    Whatever the edited text looks like, it says what was meant and nothing else, or is not used.
    Raises: ConfigError, where a person has to edit the file; CommandError, without ``tomlkit``.
    """
    before = tomllib.loads(text)
    expected = copy.deepcopy(before)
    tables = expected.setdefault("grants", {})
    if not isinstance(tables, dict) or not isinstance(tables.setdefault(addition.peer, {}), dict):
        raise ConfigError([f"{addition.header}: is no table"])
    addition.put_into(tables[addition.peer])
    if expected == before:
        return text
    table = before.get("grants", {}).get(addition.peer)
    for edit in (_with_block,) if table is None else (_with_lines, _with_all):
        edited = edit(text, addition, table)
        if _says(edited, expected):
            return edited
    block = "\n    ".join(_block(addition, {}))
    raise ConfigError([f"{addition.header}: edit the file by hand, so that it says\n    {block}"])


def _says(text: str, expected: Mapping[str, Any]) -> bool:
    try:
        return tomllib.loads(text) == expected
    except tomllib.TOMLDecodeError:
        return False


def _with_block(text: str, addition: Addition, _: object) -> str:
    """Write a new table at the end, where it stands between no comment and what that is about."""
    end = "" if text.endswith("\n") or not text else "\n"
    return _like(text, f"{text}{end}\n" + "".join(f"{line}\n" for line in _block(addition, {})))


def _with_lines(text: str, addition: Addition, table: Mapping[str, Any]) -> str:
    """Change the values that the table has, and write new ones right below its header."""
    edited = _with_all(text, addition, table, new=False)
    header = re.compile(_HEADER.format(re.escape(addition.peer)))
    _, *lines = _block(addition, table)
    below = "".join(f"{line}\n" for line in lines)
    return _like(text, header.sub(lambda found: found[0] + below, edited, count=1))


def _with_all(text: str, addition: Addition, table: Mapping[str, Any], *, new: bool = True) -> str:
    """Have ``tomlkit`` change the values that the table has, and with ``new`` add the others."""
    tomlkit = load_tomlkit()
    document = tomlkit.parse(text)
    edited: Any = document["grants"][addition.peer]
    if addition.key is not None and (new or "key" in table):
        edited["key"] = addition.key
    for name, items in addition.missing_in(table).items():
        if name in table:
            for item in items:
                edited[name].append(item)
        elif new:
            edited[name] = items
    return _like(text, str(document.as_string()))


def _block(addition: Addition, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table, as far as it does not have these keys yet."""
    yield f"[{addition.header}]"
    if addition.key is not None and "key" not in table:
        yield f"key = {toml_value(addition.key)}"
    for name, items in addition.missing_in(table).items():
        if name not in table:
            yield f"{name} = {toml_value(items)}"


def _like(text: str, edited: str) -> str:
    """Return an edited text with line ends like those of the text that it comes from."""
    ends = "\r\n" if "\r\n" in text else "\n"
    return _LINE_END.sub(ends, edited)


def load_tomlkit() -> ModuleType:
    try:
        import tomlkit
    except ImportError:
        needed = "changing a table takes the package tomlkit: pip install 'clawmatrix[edit]'"
        raise CommandError(needed) from None
    return tomlkit
