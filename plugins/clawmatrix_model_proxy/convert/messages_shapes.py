"""Taking a Messages request apart, with an error that names the place where it is not one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.convert.codec import Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["flag", "known", "listed", "mapping", "number", "text"]


def mapping(value: Any, where: str) -> dict[str, Any]:
    """Return an object."""
    if not isinstance(value, dict):
        raise Unsupported(where, "must be an object")
    return value


def listed(value: Any, where: str) -> list[Any]:
    """Return a list; ``None`` is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unsupported(where, "must be a list")
    return value


def text(value: Any, where: str) -> str:
    """Return a string."""
    if not isinstance(value, str):
        raise Unsupported(where, "must be a string")
    return value


def flag(value: Any, where: str) -> bool | None:
    """Return true, false, or None where nothing is said."""
    if value is not None and not isinstance(value, bool):
        raise Unsupported(where, "must be true or false")
    return value


def number(value: Any, where: str) -> int:
    """Return a whole number."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise Unsupported(where, "must be a whole number")
    return value


def known(value: dict[str, Any], where: str, names: Iterable[str]) -> None:
    """Refuse what an object has beside these names. Nulls and empty objects are nothing."""
    for name, inner in value.items():
        if inner is not None and inner != {} and name not in names:
            raise Unsupported(f"{where}.{name}", "cannot be put into another API")
