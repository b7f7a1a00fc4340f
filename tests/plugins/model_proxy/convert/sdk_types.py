"""Types of the official SDKs, to hold values to.

What checks a value of one of the large types takes 0.2 seconds to make: each is made once, and by
the tests that need it rather than by every worker that collects them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter

__all__ = ["SdkType"]


class SdkType:
    """A type of an SDK, or several of which a value may have any."""

    def __init__(self, *types: object) -> None:
        self._types = types

    def validate_python(self, value: object, *, strict: bool | None = None) -> Any:
        """Return the value as the SDK makes it, or raise pydantic.ValidationError."""
        return _adapter(self._types).validate_python(value, strict=strict)


@cache
def _adapter(types: tuple[Any, ...]) -> TypeAdapter[Any]:
    union = types[0]
    for other in types[1:]:
        union |= other
    return TypeAdapter(union)
