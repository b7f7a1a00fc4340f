"""Reading one HTTP answer: bytes in, its head and the pieces of its body out. No I/O."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from clawmatrix_core import Bound

__all__ = ["BETWEEN", "HEADERS", "HEAD_LIMIT", "BrokenAnswer", "ResponseReader"]

HEAD_LIMIT = Bound(
    128 * 1024,
    "bytes of the head of an answer, with those of answers before it",
    fed_by="an upstream",
    when_full="the answer is refused",
)
HEADERS = Bound(
    256,
    "headers of an answer",
    fed_by="an upstream",
    when_full="the answer is refused",
)
BETWEEN = Bound(
    128 * 1024,
    "bytes in a row behind the head of an answer that do not belong to its body, such as trailers",
    fed_by="an upstream",
    when_full="the answer ends with an error",
)


class BrokenAnswer(Exception):
    """What came is no answer, or only a part of one."""


class ResponseReader:
    """Reads the answers of one connection, one after another; call ``start`` before each.

    Attributes:
        begun: the head is here.
        status: the status of it.
        headers: names in lower case; a repeated one is joined by commas.
        framed: the end of the body is marked, so that a cut shows.
        complete: the whole answer has come.
        reusable: another request may follow on the connection.
    """

    def __init__(self) -> None:
        self._parser = HttpResponseParser(self)
        self.start()

    def __repr__(self) -> str:
        state = "complete" if self.complete else "in the body" if self.begun else "in the head"
        return f"<ResponseReader {state}, status {self.status}>"

    def start(self) -> None:
        """Forget the last answer, and expect one more."""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.begun = self.complete = self.framed = self.reusable = False
        self._pieces: list[bytes] = []
        self._before = self._between = self._headers = 0

    def feed(self, data: bytes) -> None:
        """Take what came. Raises: BrokenAnswer."""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            raise BrokenAnswer("it changes to another protocol") from None
        except HttpParserError as error:
            if isinstance(error.__context__, BrokenAnswer):
                raise error.__context__ from None
            if not self.complete:
                raise BrokenAnswer(f"it is not HTTP: {error}") from None
            self.reusable = False  # the answer was whole, what follows it is none
        self._count(len(data))

    def _count(self, size: int) -> None:
        """Count bytes that do not belong to the body. Raises: BrokenAnswer."""
        if self._pieces:
            self._between = 0
        elif self.begun and not self.complete:
            self._between += size
            if self._between > BETWEEN:
                raise BrokenAnswer(f"{BETWEEN} bytes in a row do not belong to its body")
        elif not self.begun:
            self._before += size
            if self._before > HEAD_LIMIT:
                raise BrokenAnswer(f"its head has more than {HEAD_LIMIT} bytes")

    def end(self) -> None:
        """Note that the connection ended. Raises: BrokenAnswer, where that cuts the answer."""
        if not self.begun:
            raise BrokenAnswer("it ended before its answer")
        if self.framed and not self.complete:
            raise BrokenAnswer("its answer is cut off")
        self.complete = True
        self.reusable = False

    def take(self) -> bytes:
        """Return the body's bytes that have come since the last call."""
        pieces = self._pieces
        if not pieces:
            return b""
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return data

    # --- what the parser calls

    def on_message_begin(self) -> None:
        if self.complete:
            self.reusable = False  # it says more than it was asked

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.begun:
            return  # a trailer
        self._headers += 1
        if self._headers > HEADERS:
            raise BrokenAnswer(f"its head has more than {HEADERS} headers")
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        before = self.headers.get(key)
        self.headers[key] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self.begun:
            return
        if status < 200:
            self.headers.clear()  # of an answer before the answer
            return
        self.status = status
        self.begun = True
        self.framed = "content-length" in self.headers or "transfer-encoding" in self.headers

    def on_body(self, data: bytes) -> None:
        if not self.complete:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        if self.begun and not self.complete:
            self.complete = True
            self.reusable = self._parser.should_keep_alive()
