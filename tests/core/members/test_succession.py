"""A key handed over to another: the chain, and what pins do about it."""

from __future__ import annotations

import base64
from pathlib import Path  # noqa: TC003 - read from the annotation
from random import Random

import pytest

from clawmatrix_core.base.errors import RemoteProtocolError, StateError
from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.cli.shell import execute
from clawmatrix_core.members.directory import Accepted, SignedRecord
from clawmatrix_core.members.identity import Identity, digits, load_identity
from clawmatrix_core.members.record import NodeRecord
from clawmatrix_core.members.succession import (
    CHAIN,
    hand_over,
    load_succession,
    predecessors,
    rotate,
)
from clawmatrix_core.members.trust import PinState
from clawmatrix_core.state.folder import MemoryState, StateFolder
from tests.core.members.members import Member, base64_of

HOME = NodeId("home")
AT = 1_760_000_000_000


def key(number: int) -> Identity:
    return Identity.generate(Random(number).randbytes)


def chain_of(length: int, name: str = "home") -> list[str]:
    """Return how key 0 became key ``length``, one step after the other."""
    return [hand_over(name, key(n), key(n + 1).sign_public, AT) for n in range(length)]


def record_of(identity: Identity, chain: list[str], epoch: int = 2) -> SignedRecord:
    record = NodeRecord(
        node_id=HOME,
        sign_key=base64_of(identity.sign_public),
        channel_key=base64_of(identity.channel_public),
        epoch=epoch,
        seq=1,
        instance="home2",
        succession=tuple(chain),
    )
    return SignedRecord.make(record, identity)


def pinned() -> Member:
    """Return a node that has key 0 pinned as home's."""
    lab = Member("lab")
    lab.directory.accept(record_of(key(0), [], epoch=1), proven=True)
    return lab


def test_a_chain_names_all_earlier_keys() -> None:
    earlier = predecessors(chain_of(3), "home", key(3).sign_public)
    assert earlier == tuple(key(n).sign_public for n in (2, 1, 0))
    assert predecessors([], "home", key(0).sign_public) == ()


def test_a_chain_ends_where_it_does_not_hold() -> None:
    chain = chain_of(3)
    forged = hand_over("home", key(9), key(2).sign_public, AT)
    new = key(3).sign_public
    assert predecessors([chain[0], forged, chain[2]], "home", new) == (
        key(2).sign_public,
        key(9).sign_public,
    )
    assert predecessors(chain, "home", key(2).sign_public) == ()
    assert predecessors(chain, "lab", new) == ()
    altered = bytearray(base64.b64decode(chain[2]))
    altered[70] ^= 1
    for bad in (base64_of(bytes(altered)), "", "!", "A" * 500, chain[2][:-4]):
        assert predecessors([*chain[:2], bad], "home", new) == ()


def test_a_long_chain_is_read_no_further_than_its_bound() -> None:
    assert len(predecessors(chain_of(CHAIN + 3), "home", key(CHAIN + 3).sign_public)) == CHAIN


def test_a_pin_goes_along_with_its_keys_word() -> None:
    lab = pinned()
    outcome, _ = lab.directory.accept(record_of(key(1), chain_of(1)))
    assert outcome is Accepted.NEWER
    entry = lab.trust.get(HOME)
    assert entry is not None
    assert (entry.sign_public, entry.state) == (key(1).sign_public, PinState.PINNED)
    assert entry.conflicts == ()


def test_who_missed_some_changes_still_goes_along() -> None:
    lab = pinned()
    assert lab.directory.accept(record_of(key(3), chain_of(3)))[0] is Accepted.NEWER


def test_the_old_key_is_refused_afterwards() -> None:
    lab = pinned()
    lab.directory.accept(record_of(key(1), chain_of(1)))
    outcome, _ = lab.directory.accept(record_of(key(0), [], epoch=9), proven=True)
    assert outcome is Accepted.CONFLICT
    thief = hand_over("home", key(0), key(7).sign_public, AT)
    assert lab.directory.accept(record_of(key(7), [thief], epoch=9))[0] is Accepted.CONFLICT


@pytest.mark.parametrize(
    "chain",
    [
        [],
        [hand_over("lab", key(0), key(1).sign_public, AT)],
        [hand_over("home", key(5), key(1).sign_public, AT)],
        ["nonsense"],
    ],
    ids=["none", "another name's", "another key's", "nonsense"],
)
def test_a_key_without_the_old_ones_word_is_a_conflict(chain: list[str]) -> None:
    lab = pinned()
    assert lab.directory.accept(record_of(key(1), chain), proven=True)[0] is Accepted.CONFLICT
    entry = lab.trust.get(HOME)
    assert entry is not None
    assert entry.sign_public == key(0).sign_public


def test_nobody_leaves_a_revocation_by_changing_keys() -> None:
    lab = pinned()
    lab.directory._is_revoked = lambda one: one == key(0).sign_public
    with pytest.raises(RemoteProtocolError) as caught:
        lab.directory.accept(record_of(key(1), chain_of(1)))
    assert caught.value.reason == "revoked"


def test_new_keys_are_kept_with_the_old_ones_word() -> None:
    state = MemoryState()
    first = load_identity(state, Random(1).randbytes)
    for number in range(CHAIN + 2):
        old, new = rotate(state, "home", AT, Random(2 + number).randbytes)
        assert load_identity(state) == new != old
        earlier = predecessors(load_succession(state, "home", new), "home", new.sign_public)
        assert earlier[0] == old.sign_public
        assert (first.sign_public in earlier) == (number < CHAIN)
    assert len(load_succession(state, "home", new)) == CHAIN
    assert load_succession(state, "home", first) == ()


def test_a_node_without_a_key_has_none_to_change() -> None:
    with pytest.raises(StateError, match="no key yet"):
        rotate(MemoryState(), "home", AT)
    state = MemoryState()
    state.write("identity", {**key(1).to_json(), "succession": [1]})
    with pytest.raises(StateError, match="a list of texts"):
        load_succession(state, "home", key(1))


def test_digits_are_the_same_everywhere_and_have_enough_bits() -> None:
    text = digits(key(1).sign_public)
    groups = text.split(" ")
    assert len(groups) == 8
    assert all(len(group) == 5 and group.isdecimal() for group in groups)
    assert 10**40 > 2**120
    assert text == digits(bytes(key(1).sign_public)) != digits(key(2).sign_public)


def test_the_command_changes_the_keys_of_a_node_that_does_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, folder = tmp_path / "a.toml", tmp_path / "state"
    config.write_text(f'node_id = "home"\nsecret = "env:NOT_SET_HERE"\nstate_dir = "{folder}"\n')
    assert execute(["key", "rotate", "-c", str(config)]) == 4
    assert "no key yet" in capsys.readouterr().err
    with StateFolder(folder) as state:
        old = load_identity(state)
        assert execute(["key", "rotate", "-c", str(config)]) == 4
        assert "stop the node first" in capsys.readouterr().err
    assert execute(["key", "rotate", "-c", str(config)]) == 0
    with StateFolder(folder) as state:
        new = load_identity(state)
        assert len(load_succession(state, "home", new)) == 1
    text = capsys.readouterr().out
    assert old.fingerprint in text
    assert new.fingerprint in text
    assert execute(["fingerprint", "-c", str(config)]) == 0
    assert capsys.readouterr().out == f"home  {digits(new.sign_public)}\n"
