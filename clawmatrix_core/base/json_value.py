"""The type of JSON values."""

from __future__ import annotations

from typing import Any

__all__ = ["JSON"]

JSON = Any
"""What ``json.dumps`` takes: the wire's type, checked where it comes in."""
