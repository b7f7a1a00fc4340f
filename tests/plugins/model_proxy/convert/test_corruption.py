"""Bytes that are damaged on their way: no event is ever missing from what looks whole.

A letter of the answer that becomes another is beyond this: what is still JSON cannot be told
from what the model said, in any of the APIs. Everything else shows.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_model_proxy.neutral.answer import Block, NeutralAnswer, Usage
from clawmatrix_model_proxy.neutral.codec import BadAnswer
from clawmatrix_model_proxy.streams.endings import Ending
from clawmatrix_model_proxy.streams.formats import FORMATS
from clawmatrix_model_proxy.streams.passthrough import PassthroughStream
from tests.plugins.model_proxy.convert.test_pairs import (
    CODECS,
    PAIRS,
    answers,
    between,
    streamed,
)

if TYPE_CHECKING:
    from clawmatrix_model_proxy.streams.answer_stream import AnswerStream

ANSWER = NeutralAnswer("id", "m", 1, (Block("text", "Hi"),), "stop", Usage(10, 10, cached=0))


# --- what a client makes of a stream, written from the specification of server-sent events


def payloads(stream: bytes, *, named: bool = False) -> list[dict[str, Any]]:
    """Return the JSON objects of a stream; of events that are named, where clients want that.

    The last event may lack its blank line.
    """
    found: list[dict[str, Any]] = []
    name, data = "", [""][:0]
    for line in re.split("\r\n|\n|\r", stream.decode(errors="replace") + "\n\n"):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if line and field == "data":
            data.append(value)
        elif line and field == "event":
            name = value
        elif not line:
            payload = _json("\n".join(data))
            if payload is not None and (not named or name == payload.get("type", name)):
                found.append(payload)
            name, data = "", []
    return found


def _json(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def carry(payload: dict[str, Any]) -> bool:
    """Say whether a client could miss an event and not notice.

    What an answer took may be cut off at its end; without its beginning there is no message.
    """
    return payload.get("choices") != [] and payload.get("type") != "message_start"


def looks_whole(stream: bytes, api: str) -> bool:
    """Say whether a client of an API takes a stream for a whole answer."""
    read = payloads(stream)
    if any(payload.get("error") or payload.get("type") == "error" for payload in read):
        return False
    if api == "chat":
        choices = [choice for payload in read for choice in payload.get("choices", ())]
        return b"data: [DONE]" in stream or any(one.get("finish_reason") for one in choices)
    ends = {"responses": "response.completed", "messages": "message_stop"}
    return any(payload.get("type") == ends[api] for payload in read)


def through(stream: AnswerStream, damaged: bytes, cuts: list[int]) -> tuple[bytes, Ending]:
    """Return what comes of a stream that is read in pieces, and how it ended."""
    edges = sorted({0, len(damaged), *(cut % (len(damaged) + 1) for cut in cuts)})
    out = b""
    try:
        for start, end in itertools.pairwise(edges):
            if stream.over:
                break
            out += stream.feed(damaged[start:end])
        rest, ending = stream.finish()
    except BadAnswer:
        return out, Ending.CUT
    return out + rest, ending


# --- damage

noise = st.binary(min_size=1, max_size=6) | st.sampled_from(
    [b"\n", b"\n\n", b"\r", b":", b"\n:", b'"', b"{", b"}", b"\\", b"\x00", b"\xff", b"data: "]
)


@st.composite
def damages(draw: st.DrawFn, stream: bytes) -> bytes:
    """Draw a stream of which some bytes are others, were put in, or are gone out of an event.

    Whole events that are gone without a trace leave nothing that could be noticed, but where
    events are numbered.
    """
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(stream) - 1))
        kind = draw(st.sampled_from(["changed", "put in", "torn out"]))
        if kind == "put in":
            stream = stream[:at] + draw(noise) + stream[at:]
        elif kind == "changed":
            new = draw(noise)
            stream = stream[:at] + new + stream[at + len(new) :]
        else:
            room = stream.find(b"\n", at) - at - 1  # something is left of it
            stream = stream[:at] + stream[at + draw(st.integers(0, max(0, room))) :]
    return stream


@given(st.sampled_from(PAIRS), answers(), st.lists(st.integers(0, 5000), max_size=3), st.data())
def test_no_event_is_missing_from_what_looks_whole(
    pair: tuple[str, str], answer: NeutralAnswer, cuts: list[int], data: st.DataObject
) -> None:
    client, upstream = pair
    whole = streamed(CODECS[upstream], answer)
    damaged = data.draw(damages(whole))
    check(client, upstream, whole, damaged, cuts)


def check(client: str, upstream: str, whole: bytes, damaged: bytes, cuts: list[int]) -> None:
    """Send a stream through, as it is where client and upstream speak the same, and look."""
    stream = PassthroughStream(FORMATS[client]) if client == upstream else between(client, upstream)
    out, ending = through(stream, damaged, cuts)
    said = ending in (Ending.DONE, Ending.FINISHED)
    named = client == upstream == "messages"  # whose clients drop what has not its right name
    sent = [one for one in payloads(whole, named=named) if carry(one)]
    arrived = [one for one in payloads(damaged, named=named) if carry(one)]
    if said or (looks_whole(out, client) and stream.error is None):
        assert len(arrived) >= len(sent), (damaged, out)
    if said and client == upstream:
        read = [one for one in payloads(out, named=named) if one in sent]
        assert read == [one for one in arrived if one in sent]


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
def test_no_single_byte_hides_an_event(client: str, upstream: str) -> None:
    whole = streamed(CODECS[upstream], ANSWER)
    lines = [0, *(match.end() for match in re.finditer(b"\n", whole))]
    near = {at for line in lines for at in range(line - 3, line + 10) if 0 <= at < len(whole)}
    for at in sorted(near | set(range(0, len(whole), 31))):
        for byte in (b":", b"\n", b"\x00", b"x"):
            check(client, upstream, whole, whole[:at] + byte + whole[at + 1 :], [at])
            check(client, upstream, whole, whole[:at] + byte + whole[at:], [])
        check(client, upstream, whole, whole[:at] + whole[at + 1 :], [])


@pytest.mark.parametrize(("client", "upstream"), PAIRS)
@pytest.mark.parametrize("junk", [b'data: {"cho\n\n', b'{"cho\n\n'])
def test_what_is_put_between_events_is_told_from_them_where_that_can_be(
    client: str, upstream: str, junk: bytes
) -> None:
    whole = streamed(CODECS[upstream], ANSWER)
    events = [event + b"\n\n" for event in whole.split(b"\n\n")[:-1]]
    for at in range(len(events)):
        before = b"".join(events[:at])
        stream = (
            PassthroughStream(FORMATS[client]) if client == upstream else between(client, upstream)
        )
        out, ending = through(stream, before + junk + b"".join(events[at:]), [])
        numbered = upstream == "responses" and at > 0
        finished = upstream == "chat" and b'"finish_reason":"stop"' in before
        assert (ending in (Ending.DONE, Ending.FINISHED)) == (numbered or finished)
        assert (looks_whole(out, client) and stream.error is None) == (numbered or finished)


@pytest.mark.parametrize("api", CODECS)
def test_a_whole_stream_looks_whole_here(api: str) -> None:
    whole = streamed(CODECS[api], ANSWER)
    assert looks_whole(whole, api)
    assert not looks_whole(whole[: len(whole) // 2], api)
