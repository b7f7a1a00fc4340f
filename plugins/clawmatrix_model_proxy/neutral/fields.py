"""The fields of a JSON object, taken out one by one and by their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from clawmatrix_model_proxy.neutral.codec import BadAnswer, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Fields", "bad_answer"]

T = TypeVar("T", str, bool, int, dict[str, Any], list[Any])
_WORDS: dict[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    dict: "an object",
    list: "a list",
}


def bad_answer(where: str, message: str) -> BadAnswer:
    """Return the error for what is wrong in an upstream's answer."""
    return BadAnswer(f"{where}: {message}")


class Fields:
    """Takes the fields out of a copy of an object; ``null`` is the same as nothing.

    Attributes:
        left: what was not taken yet.
        where: the object's place, empty for the whole body.
    """

    def __init__(
        self, value: Any, where: str, fail: Callable[[str, str], Exception] = Unsupported
    ) -> None:
        """Read an object. Raises: what ``fail`` makes, for anything else."""
        if not isinstance(value, dict):
            raise fail(where or "the body", "must be an object")
        self.left: dict[str, Any] = dict(value)
        self.where = where
        self._fail = fail

    def at(self, name: str) -> str:
        """Return the place of a field."""
        return f"{self.where}.{name}" if self.where else name

    def take(self, name: str, kind: type[T]) -> T | None:
        """Return a field, None where it is not there."""
        value = self.left.pop(name, None)
        if value is None:
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self._fail(self.at(name), f"must be {_WORDS[kind]}")
        return value

    def need(self, name: str, kind: type[T]) -> T:
        """Return a field that must be there."""
        value = self.take(name, kind)
        if value is None:
            raise self._fail(self.at(name), "is missing")
        return value

    def within(self, name: str) -> Fields:
        """Return the fields of an object in a field that must be there."""
        value = self.left.pop(name, None)
        if value is None:
            raise self._fail(self.at(name), "is missing")
        return Fields(value, self.at(name), self._fail)

    def ignore(self, *names: str) -> None:
        """Take fields that are of no use."""
        for name in names:
            self.left.pop(name, None)

    def end(self) -> None:
        """Refuse what is left and says something. Raises: what ``fail`` makes."""
        for name, value in self.left.items():
            if value is not None and value not in ({}, [], ""):
                raise self._fail(self.at(name), "is not known here, so it cannot be converted")
