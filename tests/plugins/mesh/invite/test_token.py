"""The token of an invitation: whole or refused, and silent about what is in it."""

from __future__ import annotations

import base64
import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_mesh.invite.psk import invitation_psk
from clawmatrix_mesh.invite.token import BadToken, Token

TOKEN = Token(bytes(range(8)), bytes(range(32)), b"k" * 32, "relay", ("ws://relay.example:19000",))
LETTERS = string.ascii_letters + string.digits + "-_"

names = st.text(string.ascii_letters + string.digits, min_size=1, max_size=64)
addresses = st.lists(names.map(lambda name: f"wss://{name}.example:1"), min_size=1, max_size=8).map(
    tuple
)
tokens = st.builds(
    Token,
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
    names,
    addresses,
)


def sealed(body: bytes) -> str:
    """Return a text with a good checksum, whatever is in it."""
    checksum = hashlib.sha256(b"clawmatrix invitation token v1\0" + body).digest()[:4]
    return "cmi_" + base64.urlsafe_b64encode(body + checksum).decode().rstrip("=")


@given(tokens)
def test_a_token_says_what_was_put_into_it(token: Token) -> None:
    assert Token.decode(token.encode()) == token


def test_breaks_of_lines_and_spaces_do_not_matter() -> None:
    text = TOKEN.encode()
    assert Token.decode(f"\n  {text[:50]}\n{text[50:]} \r\n") == TOKEN


@given(st.integers(0), st.sampled_from(LETTERS))
def test_one_wrong_letter_is_found(place: int, letter: str) -> None:
    text = TOKEN.encode()
    at = 4 + place % (len(text) - 4)
    if text[at] != letter:
        with pytest.raises(BadToken, match="damaged"):
            Token.decode(text[:at] + letter + text[at + 1 :])


@pytest.mark.parametrize("place", range(4, len(TOKEN.encode()) - 1))
def test_letters_left_out_and_changed_about_are_found(place: int) -> None:
    text = TOKEN.encode()
    swapped = text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    for wrong in (text[:place], text[:place] + text[place + 1 :], swapped):
        if wrong != text:
            with pytest.raises(BadToken, match="damaged"):
                Token.decode(wrong)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no invitation"),
        ("hello", "no invitation"),
        ("cmi_", "damaged"),
        ("cmi_ä", "damaged"),
        ("cmi_A", "damaged"),
        ("cmi_" + "A" * 10_000, "damaged"),
        (sealed(b"\x02" + bytes(200)), "a newer ClawMatrix"),
        (sealed(b"\x01"), "made it wrong"),
        (sealed(b"\x01" + bytes(72) + b"\x05relay"), "made it wrong"),
        (sealed(b"\x01" + bytes(72) + b"\x05relay\x00"), "made it wrong"),
        (sealed(b"\x01" + bytes(72) + b"\x05re/ay\x01\x06ws://a"), "made it wrong"),
        (sealed(b"\x01" + bytes(72) + b"\x05relay\x01\x06ws://a!"), "made it wrong"),
        (sealed(b"\x01" + bytes(72) + b"\x05relay\x01\x06ws:/ /"), "made it wrong"),
        (sealed(b"\x01" + bytes(72) + b"\x05relay\x01\x06\xff\xff\xff\xff\xff\xff"), "wrong"),
    ],
)
def test_what_is_no_token_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(BadToken, match=message):
        Token.decode(text)


@given(st.binary(max_size=300))
def test_whatever_bytes_are_a_token_or_a_bad_one(data: bytes) -> None:
    for text in (sealed(data), sealed(b"\x01" + data)):
        try:
            token = Token.decode(text)
        except BadToken:
            continue
        assert token.encode() == text


def test_neither_repr_nor_error_shows_the_secret() -> None:
    secret = base64.b64encode(TOKEN.secret).decode()[:20]
    assert secret not in repr(TOKEN)
    assert repr(TOKEN.secret) not in repr(TOKEN)
    text = TOKEN.encode()
    with pytest.raises(BadToken) as caught:
        Token.decode(text[:-1])
    assert text[4:20] not in str(caught.value)


def test_the_key_of_the_handshake_is_not_the_secret_itself() -> None:
    assert TOKEN.psk == invitation_psk(TOKEN.secret) != TOKEN.secret
    assert len(TOKEN.psk) == 32
