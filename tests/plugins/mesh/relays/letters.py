"""Letters between nodes: exchanges whose every part can be recognised, and what came of them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core.base.errors import ExchangeError
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.loading.contributions import frame_types

if TYPE_CHECKING:
    from clawmatrix_core.exchange.exchange import Exchange
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.kernel.scope import PluginScope
    from clawmatrix_core.wire.frames import Frame

__all__ = ["MARK", "Letter", "LettersPlugin", "write"]

MARK = "a word that no relay may read"
"""In every part, both ways, and in the catalog."""
PARTS = 12


def part(number: int, place: int) -> bytes:
    """Return a part of a letter: no two are the same."""
    return f"{MARK}: letter {number}, part {place}".encode() * (1 + place % 5)


def answer(text: bytes) -> bytes:
    return b"read: " + text


@attrs.define
class Letter:
    """A letter as its writer has it in the end.

    Attributes:
        answers: what came back, part by part.
        error: how it ended, None where it came to its end.
        begun: what the error says of whether the other side can have begun.
    """

    number: int
    sent: list[bytes]
    answers: list[bytes] = attrs.field(factory=list)
    error: ExchangeError | None = None

    @property
    def whole(self) -> bool:
        """Whether the writer was told that all is well."""
        return self.error is None


class LettersPlugin:
    """Reads letters, answers each part, and remembers what it read; has a catalog for friends.

    Attributes:
        read: the parts of each letter, as they came; one list for each time it was opened.
    """

    plugin_name = "letters"

    def __init__(self) -> None:
        self.read: defaultdict[int, list[list[bytes]]] = defaultdict(list)

    @hookimpl
    async def start_plugin(self, node: Node, scope: PluginScope) -> None:
        """Be ready to answer."""
        self._scope = scope

    @hookimpl
    @frame_types("letter", "letters_catalog")
    def frame_received(self, node: Node, frame: Frame) -> bool:
        """Read a letter, or show the catalog."""
        handler = self._read if frame.header.type == "letter" else self._show
        return node.accept(frame, handler, self._scope)

    async def _read(self, ex: Exchange) -> None:
        parts: list[bytes] = []
        self.read[ex.request["number"]].append(parts)
        async for text in ex:
            parts.append(text)
            await ex.send(answer(text))
        await ex.finish({"parts": len(parts)})

    async def _show(self, ex: Exchange) -> None:
        await ex.finish({"models": [MARK, MARK.upper()]})

    def agrees(self, letter: Letter) -> None:
        """Hold what was read of a letter against what its writer sent, and was told."""
        opened = self.read[letter.number]
        assert len(opened) <= 1, "one letter was opened twice"
        parts = opened[0] if opened else []
        assert parts == letter.sent[: len(parts)], "something was read that was not sent"
        expected = [answer(text) for text in letter.sent]
        assert letter.answers == expected[: len(letter.answers)], "an answer that was not given"
        assert len(letter.answers) <= len(parts)
        if letter.whole:
            assert parts == letter.sent
            assert letter.answers == expected
        elif not letter.error.may_have_begun:  # type: ignore[union-attr]
            assert not opened, "it was said that nothing had begun"


async def write(node: Node, to: str, number: int, *, deadline: float = 20.0) -> Letter:
    """Write a letter to a node, read the answers, and return it, whatever came of it."""
    letter = Letter(number, [part(number, place) for place in range(PARTS)])
    try:
        with anyio.fail_after(deadline * 2):
            about = {"number": number, "mark": MARK}
            async with node.exchange(to, "letter", about, deadline=deadline) as ex:
                for text in letter.sent:
                    await ex.send(text)
                await ex.finish()
                async for payload in ex:
                    if isinstance(payload, bytes):
                        letter.answers.append(payload)
                    else:
                        assert payload == {"parts": PARTS}
    except ExchangeError as error:
        letter.error = error
    return letter
