"""Values of a request that must be of a type, or are refused with their place."""

from __future__ import annotations

from typing import Any

from clawmatrix_model_proxy.neutral.codec import Unsupported

__all__ = ["list_at", "object_at", "optional_text_at", "text_at"]


def text_at(value: Any, param: str) -> str:
    """Return a text. Raises: Unsupported."""
    if not isinstance(value, str):
        raise Unsupported(param, "must be a string")
    return value


def optional_text_at(value: Any, param: str) -> str | None:
    """Return a text, or None for ``null``. Raises: Unsupported."""
    return None if value is None else text_at(value, param)


def object_at(value: Any, param: str) -> dict[str, Any]:
    """Return an object. Raises: Unsupported."""
    if not isinstance(value, dict):
        raise Unsupported(param, "must be an object")
    return value


def list_at(value: Any, param: str) -> list[Any]:
    """Return an array. Raises: Unsupported."""
    if not isinstance(value, list):
        raise Unsupported(param, "must be an array")
    return value
