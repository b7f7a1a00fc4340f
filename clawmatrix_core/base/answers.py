"""What plugins say to a hook that all of them are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from clawmatrix_core.base.faults import Fault

__all__ = ["Answer"]

R = TypeVar("R")


class Answer(msgspec.Struct, Generic[R], frozen=True):
    """What one plugin said.

    Attributes:
        plugin: the name of the plugin.
        value: what it returned; None where it left the question to others, or failed.
        fault: what went wrong; None where it answered, or left the question to others.
    """

    plugin: str
    value: R | None = None
    fault: Fault | None = None
