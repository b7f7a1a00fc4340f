"""The body of an answer to a request for a stream: a stream it is, or JSON, as its bytes say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import ExchangeFailure
from clawmatrix_model_proxy.streams.beginning import Beginning, beginning_of
from clawmatrix_model_proxy.streams.sse import SILENT_LIMIT
from clawmatrix_model_proxy.wire import EVENT_STREAM

if TYPE_CHECKING:
    from clawmatrix_model_proxy.kept_answers import WaitingBytes
    from clawmatrix_model_proxy.serving.byte_queue import ByteQueue

__all__ = ["Begun", "stream_type"]

_NO_TYPES = (EVENT_STREAM, "text/plain", "application/octet-stream")
"""What servers say of streams, and of what they do not know."""


class Begun:
    """Tells what a body is by its first bytes, which go back into its queue.

    Args:
        queue: has the bytes.
        content_type: what the upstream says they are, which counts where they do not tell.
    """

    def __init__(self, queue: ByteQueue, content_type: str) -> None:
        self.queue = queue
        self._type = content_type.lower()

    async def is_stream(self) -> bool:
        """Say whether it is a stream of events. Raises: ExchangeFailure.

        All of it is in the queue after that.
        """
        first, beginning = b"", None
        async for data in self.queue:
            first = first + data if first else data
            beginning = beginning_of(first)
            if beginning is not None:
                break
            if len(first) > SILENT_LIMIT:
                message = f"{SILENT_LIMIT} bytes of the answer bring no event"
                raise ExchangeFailure("answer_too_large", message)
        self.queue.put_back(first)
        by_type = beginning in (None, Beginning.OTHER) and self._type.startswith(_NO_TYPES)
        return beginning is Beginning.EVENTS or by_type

    async def whole(self, limit: int, waiting: WaitingBytes) -> bytes:
        """Return all of it. Raises: ExchangeFailure, also over the limit or without memory."""
        read = bytearray()
        async for data in self.queue:
            if len(read) + len(data) > limit:
                message = f"the upstream's answer has more than {limit:d} bytes (max_answer)"
                raise ExchangeFailure("answer_too_large", message)
            waiting.note(len(read) + len(data))
            read += data
        return bytes(read)


def stream_type(content_type: str) -> str:
    """Return the type of a stream for the client, whatever the upstream calls it."""
    return content_type if content_type.lower().startswith(EVENT_STREAM) else EVENT_STREAM
