"""The invitations that a node keeps: each is good once, for a time, and over a restart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import attrs
import pytest

from clawmatrix_core.base.errors import HandshakeError, LocalProtocolError, StateError
from clawmatrix_core.state.folder import MemoryState, StateFolder
from clawmatrix_mesh.invite.invitations import (
    INVITATIONS,
    OPEN_MOST,
    REMEMBERED,
    REMEMBERED_FOR,
    Invitations,
)
from clawmatrix_mesh.invite.psk import invitation_psk

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.state.folder import State


@attrs.define
class Wall:
    now: float = 1_760_000_000.0

    def __call__(self) -> float:
        return self.now


class FullDisk(MemoryState):
    """A state that takes nothing more once it is full."""

    full = False

    def write(self, name: str, value: object) -> None:
        if self.full:
            raise StateError("no space left")
        super().write(name, value)


def refusal(invitations: Invitations, id_: str) -> str:
    with pytest.raises(HandshakeError) as caught:
        invitations.key(id_)
    return caught.value.reason


def make(state: State | None = None, wall: Wall | None = None) -> Invitations:
    return Invitations(state or MemoryState(), wall=wall or Wall())


def test_an_invitation_has_the_key_of_its_secret() -> None:
    invitations = make()
    made, secret = invitations.make(60)
    assert len(secret) == 32
    assert invitations.key(made.id) == invitation_psk(secret)


def test_an_invitation_is_good_once() -> None:
    invitations = make()
    made, _ = invitations.make(60)
    invitations.spend(made.id, "lab")
    with pytest.raises(HandshakeError, match="was used by lab") as caught:
        invitations.spend(made.id, "home")
    assert caught.value.reason == refusal(invitations, made.id) == "invite_used"
    [(kept, status)] = invitations.all()
    assert (kept.used_by, status) == ("lab", "used")


def test_an_invitation_is_good_for_its_time_only() -> None:
    wall = Wall()
    invitations = make(wall=wall)
    made, _ = invitations.make(60)
    wall.now += 59
    assert invitations.key(made.id)
    wall.now += 1
    assert refusal(invitations, made.id) == "invite_expired"
    with pytest.raises(HandshakeError, match="too old"):
        invitations.spend(made.id, "lab")


def test_one_that_is_revoked_is_as_one_that_never_was() -> None:
    invitations = make()
    made, _ = invitations.make(60)
    assert invitations.revoke(made.id)
    assert not invitations.revoke(made.id)
    assert refusal(invitations, made.id) == refusal(invitations, "0" * 16) == "invite_unknown"


def test_what_became_of_each_outlives_a_restart(tmp_path: Path) -> None:
    wall = Wall()
    with StateFolder(tmp_path) as state:
        invitations = Invitations(state, wall=wall)
        used, open_, revoked = (invitations.make(60)[0].id for _ in range(3))
        key = invitations.key(open_)
        invitations.spend(used, "lab")
        invitations.revoke(revoked)
    with StateFolder(tmp_path) as state:
        again = Invitations(state, wall=wall)
        assert again.key(open_) == key
        assert refusal(again, used) == "invite_used"
        assert refusal(again, revoked) == "invite_unknown"


def test_the_key_of_what_is_over_is_kept_nowhere(tmp_path: Path) -> None:
    wall = Wall()
    with StateFolder(tmp_path) as state:
        invitations = Invitations(state, wall=wall)
        used, expired = invitations.make(600)[0], invitations.make(60)[0]
        file = tmp_path / f"{INVITATIONS}.json"
        assert file.stat().st_mode & 0o777 == 0o600
        assert used.key in file.read_text()
        wall.now += 61
        invitations.spend(used.id, "lab")
        text = file.read_text()
        assert used.key not in text
        assert expired.key not in text
        assert [one["key"] for one in json.loads(text)["data"]] == ["", ""]


def test_what_is_too_old_is_tidied_away(tmp_path: Path) -> None:
    wall = Wall()
    with StateFolder(tmp_path) as state:
        invitations = Invitations(state, wall=wall)
        made, _ = invitations.make(60)
        file = tmp_path / f"{INVITATIONS}.json"
        invitations.tidy()
        assert made.key in file.read_text()
        wall.now += 60
        invitations.tidy()
        assert made.key not in file.read_text()
        written = file.stat().st_mtime_ns
        invitations.tidy()
        assert file.stat().st_mtime_ns == written, "nothing had changed"


def test_a_secret_is_never_kept_and_no_repr_shows_a_key() -> None:
    state = MemoryState()
    invitations = make(state)
    made, secret = invitations.make(60)
    assert secret.hex() not in str(state.read(INVITATIONS))
    assert made.key not in repr(made) + repr(invitations)


def test_what_cannot_be_written_is_used_all_the_same() -> None:
    state = FullDisk()
    invitations = make(state)
    made, _ = invitations.make(60)
    state.full = True
    with pytest.raises(StateError):
        invitations.spend(made.id, "lab")
    assert refusal(invitations, made.id) == "invite_used"


@pytest.mark.bound("clawmatrix_mesh.invite.invitations.OPEN_MOST")
@pytest.mark.bound("clawmatrix_mesh.invite.invitations.REMEMBERED")
def test_so_many_can_be_open_and_so_many_are_remembered() -> None:
    wall = Wall()
    invitations = make(wall=wall)
    for _ in range(OPEN_MOST):
        invitations.make(60)
    with pytest.raises(LocalProtocolError, match="are open"):
        invitations.make(60)
    for _ in range(REMEMBERED // OPEN_MOST + 1):
        wall.now += 60
        for _ in range(OPEN_MOST):
            invitations.make(60)
    assert len(invitations.all()) <= REMEMBERED + OPEN_MOST
    wall.now += REMEMBERED_FOR + 61
    invitations.make(60)
    assert len(invitations.all()) == 1


@pytest.mark.parametrize("stored", [{}, [1], [{"id": "x"}], [{"id": "x", "key": "&"}], ["a"]])
def test_what_are_no_invitations_is_named(stored: object) -> None:
    state = MemoryState()
    state.write(INVITATIONS, stored)
    with pytest.raises(StateError, match=INVITATIONS):
        make(state)


@pytest.mark.parametrize("key", ["c2hvcnQ=", "&", "é"])
def test_a_key_that_is_none_is_named(key: str) -> None:
    state = MemoryState()
    state.write(INVITATIONS, [{"id": "x", "made": 0, "expires": 1, "key": key}])
    with pytest.raises(StateError, match=INVITATIONS):
        make(state)
