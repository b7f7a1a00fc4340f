"""The sections that plugins add to the status: read, and put into lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from clawmatrix_core.spi import stray

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from clawmatrix_core import JSON, StatusSection

__all__ = ["read_sections", "section_lines"]

_COLOURS = ("green", "yellow", "red")


async def read_sections(sections: Sequence[StatusSection]) -> dict[str, JSON]:
    """Return what the sections read, by their names and in their order, all at a time."""
    found: dict[str, JSON] = dict.fromkeys(section.name for section in sections)

    async def read(section: StatusSection) -> None:
        found[section.name] = await section.value()

    async with anyio.create_task_group() as tasks:
        for section in sections:
            tasks.start_soon(read, section)
    return found


def section_lines(sections: Iterable[StatusSection], values: dict[str, JSON]) -> list[JSON]:
    """Return the lines about what was read: each with its text, and a colour or None."""
    lines: list[JSON] = []
    for section in sections:
        value = values[section.name]
        if section.text is None or (isinstance(value, dict) and value.keys() == {"error"}):
            continue
        try:
            texts = _lines(section.text(value))
        except BaseException as error:  # the other sections have their lines all the same
            if (fault := stray(error, called=True)) is None:
                raise
            section.on_fault(fault)
            why = f"{section.name}: no text, {type(fault).__name__}: {fault}"
            lines.append({"text": why, "colour": "red"})
        else:
            colour = section.colour if section.colour in _COLOURS else None
            lines += [{"text": text, "colour": colour} for text in texts]
    return lines


def _lines(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError("gave a str, not a list of lines")
    return [str(text) for text in texts]
