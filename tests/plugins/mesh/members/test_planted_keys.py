"""The tests of sessions' keys bite: each planted bug makes the tests that are named for it fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.exchange.exchanges import Exchanges
from clawmatrix_core.sessions import negotiation
from clawmatrix_core.sessions.sessions import Sessions
from tests.core.sessions import test_session_keys
from tests.plugins.mesh.members import test_squatter
from tests.tools.planted import fails

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core.base.node_id import NodeId
    from clawmatrix_core.wire.codec import Header

pytestmark = pytest.mark.anyio


def look_the_key_up(
    self: Sessions,
    header: Header,
    line: bytes,
    body: bytes,
    honest: Callable[..., tuple[bytes, bytes] | None] = Sessions.open,
) -> tuple[bytes, bytes] | None:
    """Give the key that the name has now, in place of the session's."""
    opened, peer = honest(self, header, line, body), self._directory.get(header.source)
    if opened is None or peer is None:
        return opened
    return opened[0], peer.record.sign_key_bytes()


def keep_by_instance(self: Sessions, peer: NodeId, instance: str, key: bytes) -> None:
    """Keep a session whose run calls itself by the right word."""
    self.table.drop_where(
        lambda kept: kept.session.peer == peer and kept.session.remote_instance != instance
    )


def keep_sessions(self: Sessions, peer: NodeId, key: bytes | None) -> None:
    """Keep the sessions of a name that has another key."""


def believe_any_key(peer: NodeId, said: bytes | None, key: bytes) -> None:
    """Take it that the key of a record is that of whoever has its channel key."""


def keep_exchanges(self: Exchanges, peer: NodeId, key: bytes | None) -> None:
    """Keep the exchanges of a name that has another key."""


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and the named tests that must fail with it."""

    owner: object
    name: str
    bug: Callable[..., Any]
    caught_by: tuple[Callable[..., Any], ...]


PLANTS = {
    "the key is looked up by name": Plant(
        Sessions,
        "open",
        look_the_key_up,
        (test_session_keys.test_a_session_keeps_its_key_whatever_key_its_name_has_later,),
    ),
    "a session is kept for the word of its run": Plant(
        Sessions,
        "forget",
        keep_by_instance,
        (test_session_keys.test_a_session_under_another_key_is_not_kept_for_the_word_of_its_run,),
    ),
    "a session is kept although its name has another key": Plant(
        Sessions,
        "keep_key",
        keep_sessions,
        (
            test_squatter.test_a_squatters_session_ends_when_its_key_is_forgotten,
            test_squatter.test_a_squatters_session_ends_when_a_person_accepts_the_real_key,
        ),
    ),
    "a record with another node's channel key is believed": Plant(
        negotiation,
        "_check_key",
        believe_any_key,
        (
            test_squatter.test_a_record_with_homes_channel_key_gets_no_call_of_the_real_home,
            test_squatter.test_a_record_with_homes_channel_key_gets_no_call_to_the_real_home,
        ),
    ),
    "an exchange is kept although its name has another key": Plant(
        Exchanges,
        "keep_key",
        keep_exchanges,
        (
            test_squatter.test_a_squatters_session_ends_when_the_real_home_is_pinned,
            test_squatter.test_what_was_asked_of_a_squatter_is_not_asked_of_the_real_home,
        ),
    ),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
async def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    for check in plant.caught_by:
        with monkeypatch.context() as planted:
            planted.setattr(plant.owner, plant.name, plant.bug)
            assert await fails(check), check.__name__
