"""Numbers as Automerge writes them: LEB128, each in its one shortest form."""

from __future__ import annotations

from typing import Final

__all__ = ["MalformedError", "Reader", "signed", "unsigned"]

_MOST: Final = 10
"""Bytes of the longest number that fits 64 bits."""


class MalformedError(ValueError):
    """Bytes are not what Automerge would have written."""


def unsigned(number: int) -> bytes:
    """Return a number that is not negative, as bytes."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def signed(number: int) -> bytes:
    """Return a number as bytes."""
    out = bytearray()
    while not -0x40 <= number < 0x40:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number & 0x7F)
    return bytes(out)


class Reader:
    """Reads bytes from the front."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """How many bytes are left."""
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        """Return the next bytes. Raises: MalformedError, where there are fewer."""
        if count > self.left:
            raise MalformedError(f"{count} bytes expected, {self.left} are left")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        """Return the next number that is not negative. Raises: MalformedError."""
        number = shift = 0
        for _ in range(_MOST):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                if (shift > 7 and byte == 0) or number >= 1 << 63:
                    raise MalformedError("a number is not in its shortest form, or too large")
                return number
        raise MalformedError("a number is too long")

    def signed_number(self) -> int:
        """Return the next number. Raises: MalformedError."""
        start, number, shift = self._at, 0, 0
        for _ in range(_MOST):
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                number -= (1 << shift) if byte & 0x40 else 0
                if signed(number) != self._data[start : self._at]:
                    raise MalformedError("a number is not in its shortest form")
                return number
        raise MalformedError("a number is too long")

    def counted(self, most: int) -> bytes:
        """Return bytes that their number precedes. Raises: MalformedError, for more than these."""
        count = self.number()
        if count > most:
            raise MalformedError(f"{count} bytes; {most} is the most")
        return self.take(count)

    def end(self) -> None:
        """Raises: MalformedError, where bytes are left."""
        if self.left:
            raise MalformedError(f"{self.left} bytes too many")
