"""The configuration: read once, checked as a whole, handed out table by table.

The core's own keys are read at once. The tables of plugins stay raw until ``bind``, which
the node calls when it knows its plugins; all mistakes of all parts are raised there, in
one ConfigError.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import attrs
from msgspec.structs import replace

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.paths import config_places, default_state_dir
from clawmatrix_core.config.changes import Changes, merge
from clawmatrix_core.config.core import CORE_KEYS, CoreConfig, Selection
from clawmatrix_core.config.file import read_toml
from clawmatrix_core.config.messages import Problem, Problems, shared_problems, without
from clawmatrix_core.config.named import ConfigClass, is_loaded, load_class, name_of
from clawmatrix_core.config.reader import make_converter, read_table
from clawmatrix_core.config.schema import check_class, option
from clawmatrix_core.config.types import ByteSize, ConfigValue, Duration, HostPort, Secret, Source

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from clawmatrix_core.base.node_id import NodeId

__all__ = [
    "Beside",
    "ByteSize",
    "Config",
    "ConfigSection",
    "ConfigValue",
    "Duration",
    "HostPort",
    "Secret",
    "option",
]

R = TypeVar("R")
T = TypeVar("T")
Found: TypeAlias = "tuple[tuple[str | int, ...], str]"
"""The path of a place in a table, and the message about it."""


class Registered(Protocol):
    """Asks the plugins in use what they register."""

    def __call__(self, spec: Callable[..., Sequence[R]], kind: type[R], /) -> Sequence[R] | None:
        """Return the values of a registration hook, None where a plugin could not say."""


@attrs.frozen
class Beside:
    """What a table is looked at beside: what plugins register, and the configuration as a whole.

    Attributes:
        registered: asks the plugins in use; calling this object does the same.
        config: the configuration, with the tables of all plugins.
    """

    registered: Registered
    config: Config

    def __call__(self, spec: Callable[..., Sequence[R]], kind: type[R], /) -> Sequence[R] | None:
        """Return the values of a registration hook, None where a plugin could not say."""
        return self.registered(spec, kind)


@attrs.frozen
class ConfigSection:
    """A table of the configuration and the attrs class it is read into.

    Several plugins may read one table (``grants``), each with the keys it knows; a key is
    unknown where none of them knows it.

    Attributes:
        table: the name of the table.
        type: the attrs class, made of ``option``; or its module and name, ``"shop.config:Shop"``,
            where a node whose configuration has no such table is to do without importing it. Every
            key of such a class has a default.
        template: commented TOML that ``clawmatrix init`` writes into a new configuration. A line
            ``# key = …`` shows an option; it is filled in where ``init`` was told its value.
        check: yields mistakes in the table that show only beside what plugins register: the path
            in the table, and what is wrong. ``config check``, ``doctor`` and a reload ask it, with
            the table and a ``Beside``; where the class is named, only about a table that is there.
        warn: yields in the same way what is allowed and probably not meant, which ``config check``
            and ``doctor`` show.

    Raises: TypeError, where the class cannot be read from a table.
    """

    table: str
    type: ConfigClass
    template: str | None = None
    check: Callable[[Any, Beside], Iterable[Found]] | None = None
    warn: Callable[[Any, Beside], Iterable[Found]] | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.table, str):
            raise TypeError(f"a {type(self.table).__name__} cannot name a table")
        if self.table in CORE_KEYS:
            raise TypeError(f"{self.table!r} is a key of the core")
        if not isinstance(self.type, str):
            check_class(self.type)


class Config:
    """What a node is told: its name, its secret, its plugins and their tables.

    Where the core's own keys have mistakes, reading one of them raises them; ``plugins``
    and ``disable`` can always be read, so that ``bind`` gets to name the plugins' too.
    """

    def __init__(self, raw: Mapping[str, object], source: Source, path: Path | None) -> None:
        self.path = path
        self._source = source
        self._converter = make_converter(source)
        self._tables = {key: value for key, value in raw.items() if key not in CORE_KEYS}
        self._sections: dict[type | str, object] = {}
        self._bound: tuple[ConfigSection, ...] = ()
        self._known: Collection[str] = ()
        self._problems: tuple[Problem, ...] = ()
        self._core: CoreConfig | None = None
        self._read_core({key: value for key, value in raw.items() if key in CORE_KEYS})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Config:
        """Read a TOML file.

        Raises: ConfigError, where it cannot be read, is not TOML, or where any user of the
            machine can change it. Mistakes in what it says are raised by ``bind``.
        """
        path = Path(path)
        raw, mode = read_toml(path)
        return cls(raw, Source(base=path.absolute().parent, mode=mode), path.absolute())

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object], *, base: Path | None = None) -> Config:
        """Take the configuration from code. Relative paths start from ``base``."""
        return cls(mapping, Source(base=base or Path.cwd()), None)

    @staticmethod
    def places() -> Iterator[Path]:
        """Yield where a configuration is looked for unless one is named, the first place first.

        Raises: ConfigError, behind the first, where the user has no home folder.
        """
        return config_places()

    def __repr__(self) -> str:
        return f"<Config {self.path or 'from code'}>"

    @property
    def node_id(self) -> NodeId:
        """The name of the node."""
        return self._checked.node_id

    @property
    def secret(self) -> Secret:
        """The secret of the mesh."""
        return self._checked.secret

    @property
    def previous_secrets(self) -> tuple[Secret, ...]:
        """Secrets that are taken beside it."""
        return self._checked.previous_secrets

    @property
    def tags(self) -> tuple[str, ...]:
        """Words other nodes see this node by."""
        return self._checked.tags

    @property
    def stop_timeout(self) -> Duration:
        """How long a stop may take before ``clawmatrix run`` ends, in seconds."""
        return self._checked.stop_timeout

    @property
    def remove_stalling(self) -> bool:
        """Whether a third party's plugin that blocks the loop again and again is taken out."""
        return self._checked.remove_stalling

    @property
    def peer_exchanges(self) -> int:
        """How many exchanges one other node may have open here."""
        return self._checked.peer_exchanges

    @property
    def peer_sessions(self) -> float:
        """How many sessions one other node may open here in a second, in the long run."""
        return self._checked.peer_sessions

    @property
    def log(self) -> str | None:
        """The level specification, for ``configure_logging``."""
        return self._checked.log

    @property
    def state_dir(self) -> Path:
        """The folder of the node's state; it need not exist yet."""
        return self._checked.state_dir or default_state_dir(self._checked.node_id)

    @property
    def plugins(self) -> tuple[str, ...] | None:
        """The plugins named, None for the default ones."""
        return self._selection.plugins

    @property
    def disable(self) -> tuple[str, ...]:
        """The plugins to leave out."""
        return self._selection.disable

    @property
    def sound(self) -> bool:
        """Whether the keys at the top are right, as far as that can be told without plugins.

        What is no table there has to be a key of the core.
        """
        tables = all(isinstance(value, Mapping) for value in self._tables.values())
        return self._core is not None and tables

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every secret read so far, for the log to leave out."""
        return tuple(dict.fromkeys(self._source.secrets))

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """The files that secrets are read from: ``file:PATH``, and each ``SecretFile``."""
        return tuple(dict.fromkeys(self._source.secret_files))

    def has_table(self, name: str) -> bool:
        """Say whether a table of plugins is written in it, whether or not a plugin reads it."""
        return name in self._tables

    def bind(self, sections: Iterable[ConfigSection], *, known: Collection[str] = ()) -> None:
        """Read the tables of plugins.

        Args:
            sections: the tables of the plugins that are loaded.
            known: names of plugins that are not; their tables are left alone.

        Raises: ConfigError, with every mistake in the whole configuration.
        """
        by_table: dict[str, list[ConfigSection]] = {}
        for section in sections:
            by_table.setdefault(section.table, []).append(section)
        problems = list(self._problems)
        read: dict[type | str, object] = {}
        for table, sharing in by_table.items():
            problems += self._read_table(table, sharing, read)
        names = tuple({*CORE_KEYS, *by_table, *known})
        for key in self._tables:
            if key not in by_table and key not in known:
                problems.append(Problem((key,), "unknown key", names))
        if problems:
            raise self._error(problems)
        self._sections = read
        self._bound = tuple(one for sharing in by_table.values() for one in sharing)
        self._known = known

    def section(self, type_: type[T]) -> T:
        """Return the table of the class; the defaults if the file has no such table.

        Raises: LookupError, where ``bind`` was not told of the class.
        """
        section = self._sections.get(type_)
        if section is None:
            section = self._named(name_of(type_), type_)
        if not isinstance(section, type_):
            raise LookupError(f"{type_.__qualname__} is not a section of this configuration")
        return section

    def _named(self, name: str, type_: type) -> object:
        """Return the table whose class was named; its defaults are made when it is wanted."""
        if name not in self._sections and any(one.type == name for one in self._bound):
            self._sections[name] = read_table(self._converter, type_, {})
        return self._sections.get(name)

    def mistakes_beside(self, registered: Registered) -> list[str]:
        """Return the mistakes that show beside what plugins register; after ``bind``."""
        return self._found_beside(registered, lambda section: section.check)

    def warnings_beside(self, registered: Registered) -> list[str]:
        """Return allowed settings that are probably mistakes; after ``bind``."""
        return self._found_beside(registered, lambda section: section.warn)

    def _found_beside(
        self,
        registered: Registered,
        chosen: Callable[[ConfigSection], Callable[[Any, Beside], Iterable[Found]] | None],
    ) -> list[str]:
        beside = Beside(registered, self)
        return [
            str(Problem((section.table, *path), words))
            for section in self._bound
            if (look := chosen(section)) is not None and section.type in self._sections
            for path, words in look(self._sections[section.type], beside)
        ]

    def to_import(self, new: Config) -> Sequence[ConfigClass]:
        """Return the classes of tables that a new configuration has, and nobody imported yet."""
        there = (one.type for one in self._bound if new.has_table(one.table))
        return [one for one in there if not is_loaded(one)]

    def taking(self, new: Config) -> tuple[Config, Changes]:
        """Return this configuration with what a new one changes, where that can be changed.

        The new one is bound to the same tables first. What waits for a restart reads as before.
        Raises: ConfigError, with every mistake in the new one; or where what is new in it does
            not go with what has to stay.
        """
        new.bind(self._bound, known=self._known)
        core, changes = merge(self._checked, new._checked, "")
        taken = copy.copy(new)
        taken._core, taken._selection, taken._sections = core, self._selection, {}
        problems = []
        for section in self._bound:
            if section.type not in {*self._sections, *new._sections}:
                continue  # nobody has wanted it yet
            loaded = load_class(section.type)
            old: object = self.section(loaded)
            try:
                merged, more = merge(old, new.section(loaded), section.table)
            except (ValueError, TypeError) as error:
                problems.append(Problem((section.table,), f"{error}, until the node is restarted"))
            else:
                taken._sections[section.type] = merged
                changes |= more
        if problems:
            raise self._error(problems)
        return taken, changes

    @property
    def _checked(self) -> CoreConfig:
        if self._core is None:
            raise self._error(self._problems)
        return self._core

    def _read_core(self, raw: Mapping[str, object]) -> None:
        try:
            self._core = read_table(self._converter, CoreConfig, raw)
            self._source.node_id, self._source.state_dir = self.node_id, self.state_dir
        except Problems as found:
            self._problems = found.found
        wrong = {problem.path[0] for problem in self._problems}
        keys = {"plugins", "disable"} & raw.keys() - wrong
        self._selection = read_table(self._converter, Selection, {key: raw[key] for key in keys})

    def _read_table(
        self, table: str, sharing: list[ConfigSection], read: dict[type | str, object]
    ) -> list[Problem]:
        raw = self._tables.get(table, {})
        if table not in self._tables:
            sharing = [section for section in sharing if not isinstance(section.type, str)]
        found: list[tuple[Problem, ...]] = []
        for section in sharing:
            try:
                read[section.type] = read_table(self._converter, load_class(section.type), raw)
                found.append(())
            except Problems as problems:
                found.append(problems.found)
        if problems_of_all := shared_problems(found):
            return [replace(p, path=(table, *p.path)) for p in problems_of_all]
        for section, own in zip(sharing, found, strict=True):
            if own:  # only keys that another plugin knows
                mine = without(raw, {problem.path for problem in own})
                read[section.type] = read_table(self._converter, load_class(section.type), mine)
        return []

    def _error(self, problems: Iterable[Problem]) -> ConfigError:
        lines = [str(problem) for problem in problems]
        for secret in self._source.secrets:
            if len(secret) >= 4:
                lines = [line.replace(secret.reveal(), "***") for line in lines]
        return ConfigError(lines)
