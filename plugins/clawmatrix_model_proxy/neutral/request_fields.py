"""What becomes of each field of a request that is put into another API: a table for each API.

A field is carried, dropped or refused, and one that is in no table is refused by its name. The
tables are in ``fields.py`` beside each codec, the settings in ``settings.py``; the documentation is
made of both. Tests hold them against the fields that the official SDKs know, and against what the
codecs do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

import attrs

from clawmatrix_model_proxy.neutral.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Fate", "Field", "carried", "dropped", "field_of", "refused", "setting_fields"]

Fate = Literal["carried", "dropped", "refused", "setting"]
"""``setting`` is what the table of settings says of it."""


@attrs.frozen
class Field:
    """A row of the table of an API.

    Attributes:
        path: where the field is: dots between levels, ``[]`` for a list, ``<type>`` for an object
            of one type; ``*`` stands for anything.
        why: the reason, for what is not carried.
        whole: everything within it has the same fate.
        idle: values that ask for nothing, and are refused nowhere.
    """

    path: str
    fate: Fate
    why: str = ""
    whole: bool = False
    idle: tuple[object, ...] = ()

    _pattern: re.Pattern[str] = attrs.field(init=False, eq=False, repr=False)

    @_pattern.default
    def _made_pattern(self) -> re.Pattern[str]:
        # Within the name of a type a star stands for a part of that name, elsewhere for any levels.
        parts = (
            re.escape(part).replace(r"\*", "[^<>]*" if part.startswith("<") else ".*")
            for part in re.split("(<[^>]*)", self.path)
        )
        return re.compile("".join(parts) + (r"(?:[.<\[].*)?" if self.whole else ""))

    def is_at(self, path: str) -> bool:
        """Say whether a field is in this row."""
        return self._pattern.fullmatch(path) is not None


def carried(*paths: str) -> tuple[Field, ...]:
    """Return the rows of fields that reach the other API, each exactly as it is named."""
    return tuple(Field(path, "carried") for path in paths)


def dropped(why: str, *paths: str) -> tuple[Field, ...]:
    """Return the rows of fields that are left out, with all that is in them."""
    return tuple(Field(path, "dropped", why, whole=True) for path in paths)


def refused(why: str, *paths: str, idle: tuple[object, ...] = ()) -> tuple[Field, ...]:
    """Return the rows of fields that a request is refused for, with all that is in them."""
    return tuple(Field(path, "refused", why, whole=True, idle=idle) for path in paths)


def setting_fields(api: str) -> tuple[Field, ...]:
    """Return the rows of an API's settings, which the table of settings tells more of."""
    return tuple(
        Field(setting.places[api], "setting", whole=setting.moved)
        for setting in SETTINGS
        if api in setting.places
    )


def field_of(table: Iterable[Field], path: str) -> Field | None:
    """Return the row of a field, None where there is none: the first that it is in."""
    return next((field for field in table if field.is_at(path)), None)
