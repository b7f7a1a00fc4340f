"""A stream, written for a client of the Responses API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_model_proxy.convert.responses.answer import Response
from clawmatrix_model_proxy.neutral.answer import Delta, Event, Open

if TYPE_CHECKING:
    from clawmatrix_model_proxy.convert.responses.output_items import Part
    from clawmatrix_model_proxy.neutral.codec import Making

__all__ = ["ResponsesWriter"]

_encode = msgspec.json.Encoder().encode


class ResponsesWriter:
    """Writes one stream.

    Most of a stream is pieces of text, so an event with one is its number and its text between
    two pieces that are made when its block opens.

    Attributes:
        sequence: the number of the next event.
    """

    def __init__(self, making: Making) -> None:
        self.sequence = 0
        self._response = Response(making)
        self._deltas: dict[int, tuple[bytes, list[str]]] = {}

    def write(self, event: Event) -> bytes:
        """Return the bytes of the stream for an event."""
        if type(event) is Delta and event.logprobs is None:
            found = self._deltas.get(event.index)
            if found is not None and event.text:
                head, pieces = found
                pieces.append(event.text)
                sequence = self.sequence
                self.sequence = sequence + 1
                return b'%b%d,"delta":%b}\n\n' % (head, sequence, _encode(event.text))
        written = b"".join([self._numbered(fields) for fields in self._response.take(event)])
        if type(event) is Open:
            part = self._response.output.parts[event.index]
            if part.spelling is not None:
                self._deltas[event.index] = _delta_head(part, part.spelling.delta), part.pieces
        return written

    def _numbered(self, fields: dict[str, Any]) -> bytes:
        kind, sequence = fields["type"], self.sequence
        self.sequence = sequence + 1
        data = _encode({"type": kind, "sequence_number": sequence, **fields})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)


def _delta_head(part: Part, kind: str) -> bytes:
    """Return an event of a piece of text up to its number."""
    fields: dict[str, Any] = {"type": kind, **part.place()}
    if part.kind == "text":
        fields["logprobs"] = []
    data = _encode(fields)[:-1]
    return b'event: %b\ndata: %b,"sequence_number":' % (kind.encode(), data)
