"""Who gets a place at a port, and who has to go for it."""

from __future__ import annotations

import resource

import pytest

from clawmatrix_core.base.places import KNOWN, MOST, STRANGERS, Places, source_of


class Port:
    """A port whose connections are numbers; each is closed as soon as it is cut."""

    def __init__(self, most: int | None = None, strangers: int = STRANGERS) -> None:
        self.refused: list[str] = []
        self.closed: list[tuple[str, int]] = []
        self.places = Places(
            lambda source, _: self.refused.append(source), most=most, strangers=strangers
        )
        self._next = 10_000_000  # not the number of any open file

    def come(self, source: str, descriptor: int | None = None) -> int | None:
        if descriptor is None:
            self._next += 1
            descriptor = self._next
        number = descriptor

        def cut() -> None:
            self.closed.append((source, number))
            self.places.leave(number)

        return number if self.places.enter(number, source, cut) is not None else None

    def prove(self, number: int | None) -> None:
        assert number is not None
        place = self.places.find(number)
        assert place is not None
        self.places.prove(place)


@pytest.fixture(autouse=True)
def many_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    set_descriptors(monkeypatch, resource.RLIM_INFINITY)


def set_descriptors(monkeypatch: pytest.MonkeyPatch, soft: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, soft))


@pytest.mark.bound("clawmatrix_core.base.places.STRANGERS")
def test_strangers_beyond_the_bound_close_the_oldest_of_the_busiest_address() -> None:
    port = Port()
    for number in range(STRANGERS * 3):
        port.come(f"10.0.{number % 256}.{number % 7}")
    assert port.places.strangers < STRANGERS
    assert len(port.places) == port.places.strangers
    assert len(port.refused) == len(port.closed) == STRANGERS * 3 - len(port.places)


def test_while_few_places_are_taken_an_address_may_have_them_all() -> None:
    port = Port(strangers=80)
    for _ in range(40):
        port.come("192.0.2.1")
    assert port.closed == []


def test_a_crowd_from_one_address_then_makes_room_for_its_own_and_keeps_nobody_out() -> None:
    port = Port(strangers=80)
    friend = port.come("192.0.2.9")
    crowd = [port.come("192.0.2.1") for _ in range(500)]
    assert None not in crowd
    assert port.places.strangers == 40
    assert {source for source, _ in port.closed} == {"192.0.2.1"}
    assert [number for _, number in port.closed] == crowd[: len(port.closed)]
    assert friend is not None
    assert port.places.find(friend) is not None


def test_whoever_shares_the_address_of_a_crowd_gets_in() -> None:
    port = Port(strangers=80)
    for _ in range(500):
        port.come("192.0.2.1")
    assert port.come("192.0.2.1") is not None


def test_the_last_quarter_is_for_addresses_that_proved_themselves_before() -> None:
    port = Port(strangers=80)
    port.prove(port.come("192.0.2.9"))
    for number in range(500):
        port.come(f"10.1.{number % 256}.{number // 256}")
    assert port.places.strangers == 60
    for _ in range(20):
        port.come("192.0.2.9")
    assert port.places.strangers == 80


def test_those_that_proved_themselves_are_closed_for_nobody() -> None:
    port = Port(most=20, strangers=10)
    for _ in range(20):
        port.prove(port.come("192.0.2.1"))
    assert port.come("192.0.2.1") is None
    assert port.come("192.0.2.2") is None
    assert port.closed == []
    assert port.refused == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.bound("clawmatrix_core.base.places.MOST")
def test_the_port_has_no_more_connections_than_the_bound() -> None:
    port = Port()
    for number in range(MOST + 3):
        came = port.come(f"10.1.{number % 256}.{number // 256}")
        assert (came is not None) == (number < MOST)
        if came is not None:
            port.prove(came)
    assert len(port.places) == MOST


@pytest.mark.bound("clawmatrix_core.base.places.KNOWN")
def test_of_too_many_known_addresses_the_one_of_longest_ago_is_a_stranger_again() -> None:
    port = Port(most=10, strangers=4)
    for number in range(KNOWN + 1):
        came = port.come(f"address {number}")
        port.prove(came)
        assert came is not None
        port.places.leave(came)
    for name in ("one", "another", "a third"):
        port.come(name)
    port.come("address 1")  # is known: it gets one of the last places
    assert port.places.strangers == 4
    port.places.leave(port.come("address 1") or 0)
    port.come("address 0")  # is not, any more
    assert port.places.strangers == 3


def test_half_the_descriptors_of_the_process_are_for_one_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_descriptors(monkeypatch, 64)
    port = Port()
    for number in range(40):
        came = port.come("192.0.2.1", number)
        if came is not None:
            port.prove(came)
    assert len(port.places) == 32


def test_the_last_descriptors_are_kept_for_known_addresses_and_for_what_the_node_opens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_descriptors(monkeypatch, 64)
    port = Port()
    port.prove(port.come("192.0.2.9", 1))
    assert port.come("192.0.2.1", 48) is None
    assert port.come("192.0.2.9", 48) == 48
    assert port.come("192.0.2.9", 56) is None
    assert port.closed == [("192.0.2.9", 48)]


def test_a_place_is_given_back_once() -> None:
    port = Port()
    came = port.come("192.0.2.1")
    assert came is not None
    port.places.leave(came)
    port.places.leave(came)
    assert (len(port.places), port.places.strangers) == (0, 0)
    assert repr(port.places) == f"<Places 0 of {MOST} taken, 0 by strangers>"


@pytest.mark.parametrize(
    ("remote", "source"),
    [
        ("192.0.2.7:4000", "192.0.2.7"),
        ("[2001:db8:1:2:3::4]:4000", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::4:4000", "2001:db8:1:2::/64"),
        ("[fe80::1%eth0]:4000", "fe80::/64"),
        ("[::ffff:192.0.2.7]:4000", "192.0.2.7"),
        ("memory:3", "memory"),
        ("somewhere", "somewhere"),
    ],
)
def test_connections_of_one_network_have_one_source(remote: str, source: str) -> None:
    assert source_of(remote) == source


def test_a_connection_that_came_by_a_proxy_counts_for_who_is_behind_it() -> None:
    port = Port(strangers=16)
    good = port.come("proxy")
    place = port.places.find(good or 0)
    assert place is not None
    port.places.move(place, "10.0.0.1")
    for _ in range(40):
        bad = port.places.find(port.come("proxy") or 0)
        assert bad is not None
        port.places.move(bad, "10.6.6.6")
    assert ("proxy", good) not in port.closed
    assert len(port.closed) == 40 - port.places.strangers + 1
    port.places.prove(place)
    port.places.move(place, "10.0.0.2")
    assert port.places.strangers == len(port.places) - 1
