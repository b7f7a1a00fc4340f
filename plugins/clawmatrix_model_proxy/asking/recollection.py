"""Answers in the Responses API that no upstream keeps, remembered by the node that asked for them.

A client of that API may go on from an answer by its id (``previous_response_id``), or name the
items of earlier answers by theirs (``item_reference``). OpenAI's server looks these up. Where an
answer was converted from another API there is nobody to ask: so this node puts what is named into
the request, and any upstream can answer it. All of it is in memory only, and forgotten in time.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import TYPE_CHECKING

import anyio
import msgspec
from msgspec import Raw

from clawmatrix_model_proxy.errors import ApiError
from clawmatrix_model_proxy.json_values import NOT_JSON, decode
from clawmatrix_model_proxy.recalled import LIFETIME, RECALLED
from clawmatrix_model_proxy.streams.events import data_of
from clawmatrix_model_proxy.streams.sse import events_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Recollection"]

_OVERHEAD = 256
"""Bytes that an answer, or an item of one, is counted as beside its text."""
_CHAIN = 1024
"""Answers that one may go on from, each of them from the one before."""
_LOOK = 60.0
_NULL = Raw(b"null")
_ENDS = (b'"response.completed"', b'"response.incomplete"')
_BY_ID_ALONE = re.compile(rb'\{\s*"(?:id"\s*:\s*"[^"]*"|type"\s*:\s*null)\s*[,}]')

_read_members = msgspec.json.Decoder(dict[str, Raw]).decode
_read_list = msgspec.json.Decoder(list[Raw]).decode
_encode = msgspec.json.Encoder().encode


class _Body(msgspec.Struct):
    previous_response_id: Raw = _NULL
    input: Raw = _NULL
    store: Raw = _NULL


class _Item(msgspec.Struct):
    type: Raw = _NULL
    id: Raw = _NULL
    role: Raw = _NULL


class _Response(msgspec.Struct):
    id: str
    output: list[Raw]


class _End(msgspec.Struct):
    response: _Response


_read_body = msgspec.json.Decoder(_Body).decode
_read_item = msgspec.json.Decoder(_Item).decode
_read_response = msgspec.json.Decoder(_Response).decode
_read_end = msgspec.json.Decoder(_End).decode


class _Turn(msgspec.Struct, frozen=True):
    """One request and its answer.

    Attributes:
        previous: the answer that it goes on from, None for a first one.
        said: the items of the request, as the client wrote them.
        answered: those of the answer, as they go into a request.
        ids: the ids of these, empty where there is none.
        size: what it counts as.
    """

    previous: str | None
    said: tuple[bytes, ...]
    answered: tuple[bytes, ...]
    ids: tuple[str, ...]
    size: int


class Recollection:
    """What this node remembers of such answers."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._limit, self._lifetime = int(RECALLED), LIFETIME
        self._turns: OrderedDict[str, _Turn] = OrderedDict()  # the one used longest ago is first
        self._used: dict[str, float] = {}
        self._items: dict[str, tuple[str, bytes]] = {}  # by id: the answer's, and the text
        self._size = 0

    def __repr__(self) -> str:
        return f"<Recollection of {len(self._turns)} answers, {self._size} bytes>"

    @property
    def size(self) -> int:
        """The bytes of all there is, as they count."""
        return self._size

    def use(self, limit: int, lifetime: float) -> None:
        """Remember so many bytes from now on, for so many seconds; 0 bytes: nothing."""
        self._limit, self._lifetime = limit, lifetime
        self._tidy()

    async def run(self) -> None:
        """Forget in time, until cancelled."""
        while True:
            await anyio.sleep(_LOOK)
            self._tidy()

    def _tidy(self) -> None:
        if not self._turns:
            return  # also before there is an event loop, which the clock may be of
        late = self._now() - self._lifetime
        while self._turns:
            oldest = next(iter(self._turns))
            if self._size <= self._limit and self._used[oldest] > late:
                return
            self.forget(oldest)

    def forget(self, id_: str) -> bool:
        """Forget an answer, and its items; say whether it was remembered."""
        turn = self._turns.pop(id_, None)
        if turn is None:
            return False
        del self._used[id_]
        self._size -= turn.size
        for item in turn.ids:
            if self._items.get(item, ("",))[0] == id_:
                del self._items[item]
        return True

    # --- going on from what is remembered

    def expanded(self, body: bytes) -> bytes:
        """Return a request with the items themselves where it names some that are remembered.

        One that names none comes back untouched. Raises: ApiError, where a part of what it goes
        on from is gone.
        """
        if not self._turns or not _may_name(body):
            return body
        self._tidy()
        try:
            read = _read_body(body)
            previous, items = _text(read.previous_response_id), _items_in(read.input)
        except NOT_JSON:
            return body  # whose mistake is told where it is read
        goes_on = previous in self._turns
        said = [*(self._before(previous) if goes_on else ()), *items]
        found = [self._recalled(item) for item in said]
        if not goes_on and found == items:
            return body
        members = _read_members(body)
        if goes_on:
            del members["previous_response_id"]
        members["input"] = Raw(_encode([Raw(item) for item in found]))
        return _encode(members)

    def _before(self, last: str) -> list[bytes]:
        """Return all that was said up to an answer. Raises: ApiError."""
        turns: list[_Turn] = []
        id_: str | None = last
        while id_ is not None:
            turn = self._turns.get(id_)
            if turn is None or len(turns) == _CHAIN:
                raise _gone(last)
            self._touch(id_)
            turns.append(turn)
            id_ = turn.previous
        return [item for turn in reversed(turns) for item in (*turn.said, *turn.answered)]

    def _recalled(self, item: bytes) -> bytes:
        """Return the item that an item names, or else the item itself."""
        named = _reference_in(item)
        if named is None or named not in self._items:
            return item
        turn, text = self._items[named]
        self._touch(turn)
        return text

    def _touch(self, id_: str) -> None:
        self._used[id_] = self._now()
        self._turns.move_to_end(id_)

    # --- remembering

    def watch(self, body: bytes) -> Callable[[bytes], None] | None:
        """Return what is shown each part of an answer to a request, to remember it.

        The parts are whole events of a stream, or an answer in one piece. None where nothing is
        to be remembered: ``store`` is false, or it is switched off.
        """
        if not self._limit:
            return None
        try:
            read = _read_body(body)
            if bytes(read.store) == b"false":
                return None
            previous, said = _text(read.previous_response_id), _items_in(read.input)
        except NOT_JSON:
            return None
        return lambda data: self._take(previous or None, said, data)

    def _take(self, previous: str | None, said: Sequence[bytes], data: bytes) -> None:
        try:
            response = _response_in(data)
        except NOT_JSON:
            return
        if response is not None:
            self._remember(response, previous, said)

    def _remember(self, response: _Response, previous: str | None, said: Sequence[bytes]) -> None:
        id_, ids = response.id, tuple(map(_id_of, response.output))
        answered = tuple(_unnamed(bytes(item)) for item in response.output)
        parts = (*said, *answered)
        size = _OVERHEAD * (1 + len(parts)) + sum(map(len, parts))
        # An id stays with what it was given for: nobody puts other words into a conversation.
        if size > self._limit or not 0 < len(id_) <= _OVERHEAD or id_ in self._turns:
            return
        self._turns[id_] = _Turn(previous, tuple(said), answered, ids, size)
        self._size += size
        self._touch(id_)
        for item, text in zip(ids, answered, strict=True):
            if item:
                self._items.setdefault(item, (id_, text))
        self._tidy()


def _gone(id_: str) -> ApiError:
    return ApiError(
        400,
        f"a part of what the response {id_[:200]!r} goes on from is not remembered any more:"
        " send the whole conversation instead",
        code="previous_response_not_found",
        param="previous_response_id",
    )


def _may_name(body: bytes) -> bool:
    """Say whether a request may name an earlier answer or an item. A no is always right."""
    words = b"previous_response_id" in body or b"item_reference" in body
    return words or b"\\u00" in body or _BY_ID_ALONE.search(body) is not None


def _text(raw: Raw) -> str:
    found = decode(bytes(raw))
    return found if isinstance(found, str) else ""


def _items_in(raw: Raw) -> list[bytes]:
    """Return the items of an input. Raises: what is in NOT_JSON."""
    written = bytes(raw)
    if written.startswith(b'"'):
        return [_encode({"role": "user", "content": decode(written)})]
    return [bytes(item) for item in _read_list(written)] if written.startswith(b"[") else []


def _reference_in(item: bytes) -> str | None:
    """Return the id of an item that is named only, None for any other."""
    if not item.startswith(b"{"):
        return None
    try:
        read = _read_item(item)
        kind = decode(bytes(read.type))
    except NOT_JSON:
        return None
    by_id_alone = kind is None and read.role is _NULL
    return _text(read.id) or None if kind == "item_reference" or by_id_alone else None


def _id_of(item: Raw) -> str:
    written = bytes(item)
    return _text(_read_item(written).id) if written.startswith(b"{") else ""


def _unnamed(item: bytes) -> bytes:
    """Return an item without its id, which no upstream gave and none would know.

    Thoughts keep theirs, which they must have.
    """
    if not item.startswith(b"{"):
        return item
    members = _read_members(item)
    if bytes(members.get("type", _NULL)) == b'"reasoning"':
        return item
    return _encode({name: value for name, value in members.items() if name != "id"})


def _response_in(data: bytes) -> _Response | None:
    """Return the response that is whole with these bytes. Raises: what is in NOT_JSON."""
    if data.startswith(b"{"):
        return _read_response(data)
    if not any(end in data for end in _ENDS):
        return None
    for event, _ in events_in(data if data.endswith(b"\n\n") else data + b"\n\n"):
        said = data_of(event)
        if said and any(end in said for end in _ENDS):
            return _read_end(said).response
    return None
