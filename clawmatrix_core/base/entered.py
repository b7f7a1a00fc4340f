"""What an object has only once it is entered; asking for it sooner is an error with words."""

from __future__ import annotations

from typing import Any

from clawmatrix_core.base.errors import LocalProtocolError

__all__ = ["NotEntered", "once_entered"]


class NotEntered(LocalProtocolError, AttributeError):
    """An attribute was asked for that is there inside ``async with`` only.

    It is an AttributeError too, so that ``hasattr`` and debuggers take it for what it is.
    """


class _OnceEntered:
    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object | None, owner: type) -> object:
        if instance is None:
            return self
        what = "" if self._name.startswith("_") else f", and so has no {self._name}"
        raise NotEntered(f"{instance!r} does not run yet{what}: enter it with `async with` first")


def once_entered() -> Any:
    """Declare an attribute that is set when the object is entered, and raises NotEntered before.

    ``state: State = once_entered()``; an assigned value hides this.
    """
    return _OnceEntered()
