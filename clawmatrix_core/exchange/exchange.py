"""One exchange, as the code that asks and the code that answers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from clawmatrix_core.base.errors import ExchangeFailure, LocalProtocolError
from clawmatrix_core.exchange.shapes import encode, read_as
from clawmatrix_core.wire.codec import CHUNK

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType
    from typing import Self

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.exchange.endpoint import Endpoint
    from clawmatrix_core.wire.codec import Lane

__all__ = ["Exchange"]

T = TypeVar("T")


class Exchange:
    """A request and its answer. Iterate to read; ``send`` and ``finish`` to write.

    JSON payloads come out as what they decode to, byte payloads as ``bytes``. An instance of an
    attrs class goes out as a JSON object; see ``request_as`` and ``TypedExchange``. Reading ends
    when the other side has finished. An error answer, a lost node, a passed deadline or a
    missing route raise the ExchangeError of that name.

    Leaving ``async with`` before the other side has finished cancels the work there.

    Attributes:
        id: the same at both ends.
        peer: the name that the other end goes by; ``peer_key`` says who that is.
        type: the type of the opening frame.
        initiated: True at the end that opened it.
        lane: the lane of its frames.
        request: the opening payload, at the answering end.
        complete: the opening frame has the whole request.
    """

    def __init__(
        self,
        end: Endpoint,
        *,
        payload: JSON = None,
        data: bytes | None = None,
        request: JSON = None,
        complete: bool = False,
    ) -> None:
        """Make one of an endpoint; ``payload`` and ``data`` are what its opening frame carries.

        Raises: LocalProtocolError, where those do not fit into one frame.
        """
        envelope = end.envelope
        self.id: str = envelope.id
        self.peer: NodeId = envelope.peer
        self.type: str = envelope.type
        self.initiated: bool = envelope.initiated
        self.lane: Lane = envelope.lane
        self.request = request
        self.complete = complete
        self._end = end
        self._kind, self._opening = _packed(payload, data) if self.initiated else (b"", b"")

    def __repr__(self) -> str:
        return f"<Exchange {self._end}>"

    @property
    def instance(self) -> str | None:
        """The run of the peer that has, or may have, the opening frame; None while none has."""
        return self._end.sending.instance

    @property
    def peer_key(self) -> bytes | None:
        """The Ed25519 key of the other end, 32 bytes: decide by this key.

        It is the key of the session under which the exchange was opened. A name may be claimed
        by anybody whose record spread first; when a name gets another key, exchanges under the
        one before end. At the end that asks it is None until the opening frame has gone out.
        """
        return self._end.sending.peer_key

    @property
    def may_have_begun(self) -> bool:
        """Whether the far side can have seen the opening frame."""
        return self._end.may_have_begun

    @property
    def finished(self) -> bool:
        """True once this side has sent its last frame."""
        return self._end.sending.outbox.closed

    def outlast(self, seconds: float | None) -> None:
        """Fail with Undeliverable only after so many seconds without a route to the peer.

        Less than the usual time (``grace`` of ExchangeLimits) is right where another node can be
        asked instead: it is as long as a dead link may take to heal. None is the usual time.
        """
        self._end.outlast(seconds)

    # --- asking

    async def __aenter__(self) -> Self:
        self._end.open(self._kind, self._opening, complete=self.complete)
        self._opening = b""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._end.leave()

    # --- answering

    def request_as(self, shape: type[T]) -> T:
        """Return the opening payload as an attrs class. Raises: WrongShape ``bad_request``.

        Keys that the class does not have are passed over. A handler lets the error pass: it is
        the answer then, and names each field that is wrong.
        """
        return read_as(shape, self.request, self.type, code="bad_request")

    def fail(self, failure: ExchangeFailure) -> None:
        """Finish this side with an error. It gets through although credit is used up."""
        self._end.fail(failure)

    # --- writing

    async def send(self, payload: JSON, data: bytes | None = None) -> None:
        """Send bytes, or anything else as JSON, attrs objects too; return when it is in the window.

        ``data`` are bytes that follow JSON, in the same frame where they fit; the reader gets
        them as a payload of their own. Waits while the reader at the other end is behind.
        Raises: ExchangeError.
        """
        if data is not None:
            await self._send_both(payload, data, fin=False)
        elif isinstance(payload, bytes | bytearray | memoryview):
            for at in range(0, len(payload), CHUNK) or (0,):
                await self._end.write(b"b", bytes(payload[at : at + CHUNK]), fin=False)
        else:
            await self._end.write(b"j", _line(payload), fin=False)

    async def finish(self, payload: JSON = b"", data: bytes | None = None) -> None:
        """Send the last payload of this side, if there is one, and end the direction.

        ``data`` are bytes that follow it, as with ``send``.
        """
        if data is not None:
            await self._send_both(payload, data, fin=True)
        elif isinstance(payload, bytes | bytearray | memoryview):
            last = max(0, len(payload) - 1) // CHUNK * CHUNK
            if last:
                await self.send(payload[:last])
            await self._end.write(b"b", bytes(payload[last:]), fin=True)
        else:
            await self._end.write(b"j", _line(payload), fin=True)

    async def _send_both(self, payload: JSON, data: bytes, *, fin: bool) -> None:
        both = _joined(encode(payload), data)
        if len(both) <= CHUNK:
            await self._end.write(b"m", both, fin=fin)
            return
        await self.send(payload)
        await (self.finish(data) if fin else self.send(data))

    # --- reading

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[JSON]:
        return self._end.read()

    async def receive(self) -> JSON:
        """Return the next payload. Raises: ExchangeFailure ``ended``, if there is none."""
        async for payload in self:
            return payload
        raise ExchangeFailure("ended", f"{self.peer} ended the exchange early")


def _line(payload: JSON) -> bytes:
    line = encode(payload)
    if len(line) > CHUNK:
        raise LocalProtocolError(f"a payload of {len(line)} bytes as JSON; send bytes")
    return line


def _packed(payload: JSON, data: bytes | None) -> tuple[bytes, bytes]:
    """Return the kind and the body of an opening frame."""
    line = encode(payload)
    kind, opening = (b"j", line) if data is None else (b"m", _joined(line, data))
    if len(opening) > CHUNK:
        raise LocalProtocolError(f"an opening payload of {len(opening)} bytes; stream it")
    return kind, opening


def _joined(line: bytes, data: bytes) -> bytes:
    """Return the body of a frame that carries JSON and bytes behind it."""
    return b"".join((line, b"\n", data))
