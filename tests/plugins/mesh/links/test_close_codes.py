"""The words for a refused connection, at both ends."""

from __future__ import annotations

import pytest

from clawmatrix_core.base.errors import ConnectionLost
from clawmatrix_core.wire.close_codes import CloseCode
from clawmatrix_mesh.links.close_codes import InviteCloseCode, close_code, lost_early, lost_reason


def reason_told(code: int | None, *, dialled: bool = True) -> str:
    return lost_early("ws://x:1", ConnectionLost("closed", code=code), dialled=dialled).reason


@pytest.mark.parametrize(
    "reason",
    [
        "wrong_secret",
        "version",
        "twin",
        "duplicate",
        "self",
        "silent",
        "revoked",
        "invite_unknown",
        "invite_used",
        "invite_expired",
    ],
)
def test_the_dialling_end_is_told_the_reason_by_the_code(reason: str) -> None:
    assert reason_told(close_code(reason)) == reason


def test_the_node_whose_key_is_refused_gets_a_word_of_its_own() -> None:
    assert reason_told(close_code("pin_conflict")) == "key_refused"


def test_a_wrong_invitation_looks_like_an_unknown_one() -> None:
    assert reason_told(close_code("invite_wrong")) == "invite_unknown"


@pytest.mark.parametrize("reason", ["too_many_handshakes", "invite_rate"])
def test_a_busy_node_is_dialled_again(reason: str) -> None:
    assert reason_told(close_code(reason)) == "busy"


def test_a_reason_without_a_code_is_a_broken_protocol() -> None:
    assert close_code("bad_hello") == CloseCode.PROTOCOL
    assert reason_told(CloseCode.PROTOCOL) == "refused"


@pytest.mark.parametrize("code", [None, 1000, 1006])
def test_a_close_that_explains_nothing_is_a_lost_handshake(code: int | None) -> None:
    assert reason_told(code) == "handshake_lost"


def test_the_answering_end_takes_no_word_for_it() -> None:
    assert reason_told(CloseCode.TWIN, dialled=False) == "handshake_lost"


def test_a_breach_of_websocket_is_named_at_both_ends() -> None:
    assert lost_reason(1003) == reason_told(1003) == reason_told(1003, dialled=False)
    assert lost_reason(1000) is lost_reason(None) is None


def test_no_number_is_given_twice() -> None:
    assert {*CloseCode}.isdisjoint({*InviteCloseCode})
