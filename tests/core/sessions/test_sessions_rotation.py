"""Sessions while the secret of the mesh is exchanged."""

from __future__ import annotations

from tests.core.sessions.session_net import HOME, OFFICE, PSK, Net, opened

NEW = bytes(range(32, 64))


def test_an_opening_with_any_secret_in_force_is_answered() -> None:
    net = Net("home", "office")
    net["office"].psks = (NEW, PSK)
    net["home"].say(OFFICE, b"")
    net.run()
    assert net["home"].say(OFFICE, b"hello")
    net.run()
    assert net["office"].heard == [(HOME, b"hello")]
    assert net["office"].refused == []


def test_the_second_try_is_with_the_secret_from_before() -> None:
    net = Net("home", "office")
    home, office = net["home"], net["office"]
    home.psks = (NEW, PSK)
    home.say(OFFICE, b"")
    net.run()
    assert office.refused == ["forged"]
    net.now += 0.25
    home.say(OFFICE, b"")
    net.run()
    assert home.say(OFFICE, b"hello")
    net.run()
    assert office.heard == [(HOME, b"hello")]


def test_a_node_that_has_only_the_old_secret_gets_no_session() -> None:
    net = Net("home", "office")
    home, office = net["home"], net["office"]
    home.psks = (NEW,)
    for _ in range(4):
        home.say(OFFICE, b"")
        office.say(HOME, b"")
        net.run()
        net.now += 10
    assert set(home.refused) == set(office.refused) == {"forged"}
    assert home.sessions.sending(OFFICE) is None
    assert office.sessions.sending(HOME) is None


def test_sessions_of_a_secret_out_of_force_are_dropped_and_made_anew() -> None:
    net, home, office = opened()
    for end in (home, office):
        end.psks = (NEW, PSK)
        end.sessions.retire()
    assert home.sessions.sending(OFFICE) is not None
    for end in (home, office):
        end.psks = (NEW,)
    home.sessions.retire()
    assert home.sessions.sending(OFFICE) is None
    office.say(HOME, b"under the old one")
    net.run()
    assert home.heard == [(OFFICE, b"hello")]
    office.sessions.retire()
    home.say(OFFICE, b"")
    net.run()
    assert home.say(OFFICE, b"hello again")
    net.run()
    assert office.heard[-1] == (HOME, b"hello again")


def test_an_opening_under_a_secret_out_of_force_is_given_up() -> None:
    net = Net("home", "office")
    home, office = net["home"], net["office"]
    office.psks = (NEW, PSK)
    home.say(OFFICE, b"")
    home.psks = (NEW,)
    home.sessions.retire()
    net.run()
    assert home.refused == ["session_stray"]
    assert home.sessions.sending(OFFICE) is None
