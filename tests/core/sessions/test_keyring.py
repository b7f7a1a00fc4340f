"""The secrets that are in force."""

from __future__ import annotations

from clawmatrix_core.base.redaction import redact
from clawmatrix_core.config.types import Secret
from clawmatrix_core.members.identity import psk_from_secret
from clawmatrix_core.sessions.keyring import Keyring

OLD, NEW = (
    Secret("old-secret-of-a-mesh-0123456789abcdef"),
    Secret("new-secret-of-a-mesh-0123456789"),
)


def test_the_own_secret_comes_first_and_each_once() -> None:
    ring = Keyring(NEW, (OLD, NEW))
    assert ring.psks == (psk_from_secret(NEW.reveal()), psk_from_secret(OLD.reveal()))
    assert ring.secret == NEW
    assert repr(ring) == "<Keyring of 2>"


def test_who_listens_is_told_of_others() -> None:
    ring = Keyring(OLD)
    heard: list[int] = []
    ring.when_changed(lambda: heard.append(len(ring.psks)))
    ring.put(NEW, (OLD,))
    ring.put(NEW)
    assert heard == [2, 1]


def test_each_is_left_out_of_logs() -> None:
    Keyring(NEW, (OLD,))
    assert redact(f"a {OLD.reveal()} b {NEW.reveal()}") == "a *** b ***"
