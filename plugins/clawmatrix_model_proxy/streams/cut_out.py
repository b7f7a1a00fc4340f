"""The events that were cut out of a stream, and whether the answer may miss a part by it."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from clawmatrix_model_proxy.json_values import NOT_JSON

__all__ = ["CutOut"]


class _Numbered(msgspec.Struct):
    sequence_number: int | None = None


_read = msgspec.json.Decoder(_Numbered).decode


@attrs.define
class CutOut:
    """The events of one stream that could not be read.

    An answer without one of them is whole only where the API numbers its events and none of the
    numbers is missing: then what was cut out was none of the upstream's own.

    Attributes:
        count: how many there were.
    """

    count: int = 0
    _before: int | None = None
    _open: bool = False
    _lost: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether something of the answer may be missing."""
        return self._open or self._lost

    @property
    def error(self) -> dict[str, Any]:
        """The error that a stream ends with which would otherwise look whole."""
        what = "an event" if self.count == 1 else f"{self.count} events"
        message = f"{what} of the upstream's answer could not be read: a part may be missing"
        return {"message": message, "code": "upstream_broke"}

    def add(self, last: bytes, *, harmless: bool = False) -> None:
        """Note an event that was cut out behind one with the data ``last``, empty without one.

        One that was none of the upstream's API is ``harmless``.
        """
        self.count += 1
        if not self._open and not harmless:
            self._open, self._before = True, _number(last) if last else None

    def settle(self, data: bytes) -> None:
        """Look at the next event that could be read; it tells whether one before it is lost."""
        number = _number(data) if self._open else None
        if number is None:
            return
        self._open = False
        self._lost = self._lost or self._before is None or number != self._before + 1


def _number(data: bytes) -> int | None:
    try:
        return _read(data).sequence_number
    except NOT_JSON:
        return None
