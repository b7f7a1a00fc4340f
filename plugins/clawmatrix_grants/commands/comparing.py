"""Which key a grant is for: shown to a person, who says that it is that node's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
import click

from clawmatrix_core.cli import CommandError, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Comparison", "ask_yes"]

_PROVED: Final = ("accepted", "invited")
"""How a key is known for which a yes is enough."""
_HOW: Final = {
    "accepted": "a person of this node accepted it",
    "invited": "an invitation bound it to the name",
    "introduced": "an introducer says so, and nobody here has compared it",
    "linked": "it came first over a link, which proves no name",
    "hearsay": "only records that others passed on say so",
}


@attrs.frozen
class Comparison:
    """What is known of the key of a peer, and what a person says of it.

    Attributes:
        peer: the name of the peer.
        found: what the node knows of it; see ``GrantsMethods.key``.
        given: the key that was given on the command line, as text.
        bound: the key of the table that is there already.
    """

    peer: str
    found: Mapping[str, Any]
    given: str | None
    bound: str | None

    @property
    def key(self) -> str:
        """The key that the grant is for. Raises: CommandError, where there is none to grant to."""
        key = self.given or self.found["key"]
        if key is None:
            told = f"`clawmatrix fingerprint --key` on {self.peer} prints it"
            raise CommandError(f"no key of {self.peer} is known here: give it with --key; {told}")
        if self.found["trouble"]:
            raise CommandError(f"nothing is written: {self.found['trouble']}")
        return str(key)

    @property
    def needs_digits(self) -> bool:
        """Whether a yes is not enough: nothing proves that the key is the name's."""
        follows = self.bound is None or self.found["follows"]
        return self.given is None and not (self.found["known"] in _PROVED and follows)

    def lines(self) -> Iterator[str]:
        """Yield what a person has to see of the key."""
        found = self.found
        if found["key"] is None:
            yield f"{self.peer} is not known here; the grant is for the key that was given"
        else:
            yield f"{self.peer}  {found['fingerprint']}  {found['known']}: {_HOW[found['known']]}"
        if self.given not in (None, found["key"]):
            yield f"  the grant is for the key that was given, {self.given}"
        for one in found["conflicts"]:
            how = "proved by a handshake" if one["proven"] else "heard from others"
            yield f"  also shown as {self.peer}: {one['fingerprint']}  {how}, {one['count']} times"
        if self.bound not in (None, self.key):
            yield f"  so far the table is for another key, {self.bound}"

    def ask(self, *, yes: bool) -> None:
        """Have a person say that it is that node's key. Raises: CommandError, where it is not.

        ``yes`` says that a person need not be asked where a yes is enough.
        """
        for line in self.lines():
            click.echo(printable(line))
        if self.needs_digits:
            self._ask_digits(yes=yes)
        elif not yes:
            ask_yes(f"Is this the key of {self.peer}?")

    def _ask_digits(self, *, yes: bool) -> None:
        there = f"`clawmatrix fingerprint` prints on {self.peer} itself"
        if yes:
            told = f"leave --yes out and type the digits that {there}, or give its key with --key"
            raise CommandError(f"nothing proves that this is the key of {self.peer}: {told}")
        typed = click.prompt(f"All digits that {there}", err=True)
        if _digits(typed) != _digits(self.found["digits"]):
            raise CommandError(
                f"these are not the digits of the key that {self.peer} is known by here, and"
                " nothing is written: where they were read right, another node goes by this name"
            )


def ask_yes(question: str) -> None:
    """Ask a person. Raises: CommandError, where that is not a yes."""
    if not click.confirm(question, err=True):
        raise CommandError("nothing is written")


def _digits(text: str) -> str:
    return text.replace(" ", "").replace("-", "")
