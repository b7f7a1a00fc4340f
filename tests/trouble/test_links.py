"""Links that lose, delay and damage packets, are cut and come back; machines that move."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.integration.conftest import wait_for
from tests.trouble.conftest import dial, model
from tests.trouble.wire import CALM, CUT, Trouble

if TYPE_CHECKING:
    from tests.trouble.conftest import Answer, Site, TroubledNode

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LONG = "count to 400"
SLOW = "slow@20ms"
"""A model whose answer to the above takes eight seconds."""


def trio(net: Site) -> tuple[TroubledNode, TroubledNode, TroubledNode]:
    """Home and office dial the relay and cannot reach each other; office serves models."""
    relay = net.hub("relay")
    address = f"ws://{net.lan.address('relay')}:19000"
    home = net.node(net.machine("home"), dial(address))
    machine = net.machine("office")
    net.upstream(machine)
    office = net.node(machine, dial(address, more=model("quick") + model(SLOW)))
    home.wait_for_status("office", "relay")
    return home, relay, office


def recovered(home: TroubledNode, office: TroubledNode, seconds: float) -> Answer:
    """Ask until there is a whole answer; fail where that takes longer, or an answer lies."""
    ends = time.monotonic() + seconds
    while True:
        answer = home.answer("office/quick")
        assert answer.honest, answer
        if answer.whole:
            assert home.status_of("office") == "relay"
            for node in (home, office):
                node.nothing_taken_out()
            return answer
        assert time.monotonic() < ends, f"{answer}\n{home.log}"


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble(delay=0.05, jitter=0.06),
        Trouble(loss=0.04, delay=0.02),
        Trouble(repeated=0.1, damaged=0.02, jitter=0.02),
    ],
    ids=["reordered", "lossy", "damaged"],
)
def test_a_bad_line_spoils_no_answer(net: Site, trouble: Trouble) -> None:
    home, relay, office = trio(net)
    office.machine.ports["eth0"].trouble = trouble
    streams = [home.asking(f"office/{SLOW}", "count to 60") for _ in range(6)]
    answers = [one.result() for one in streams]
    answers += [home.answer("office/quick", stream=False) for _ in range(6)]
    assert [one for one in answers if not one.whole] == []
    assert office.links() == {"relay"}
    assert home.links() == {"relay"}
    for node in (home, relay, office):
        node.nothing_taken_out()
        assert node.printed("status")["mesh"]["flapping"] == []


@pytest.mark.parametrize("seconds", [2.0, 8.0])
def test_a_short_cut_interrupts_no_answer(net: Site, seconds: float) -> None:
    home, _, office = trio(net)
    asked = home.asking(f"office/{SLOW}", LONG)
    time.sleep(1)  # the answer has begun
    cut(office, seconds)
    answer = asked.result()
    assert answer.whole, answer
    assert answer.pause >= seconds - 1
    recovered(home, office, 5)


def test_a_dead_link_is_made_again_and_the_answer_goes_on(net: Site) -> None:
    """The relay is gone for longer than a link may be silent, and not for longer than grace."""
    home, relay, office = trio(net)
    asked = home.asking(f"office/{SLOW}", LONG)
    time.sleep(1)  # the answer has begun
    cut(office, 13.0)
    answer = asked.result()
    assert answer.whole, answer
    recovered(home, office, 20)
    assert "no sign of life" in relay.log


def test_a_long_cut_is_an_error_and_what_comes_after_it_is_whole(net: Site) -> None:
    home, _, office = trio(net)
    asked = home.asking(f"office/{SLOW}", LONG)
    time.sleep(1)  # the answer has begun
    port = office.machine.ports["eth0"]
    port.trouble = CUT
    answer = asked.result()
    assert not answer.whole
    assert answer.code is not None, answer
    assert answer.seconds < 40
    wait_for(lambda: home.status_of("office") == "unreachable", "home knows")
    [peer] = [one for one in home.printed("peers") if one["nodeId"] == "office"]
    assert peer["reason"]
    assert office.finding("mesh.peer")["status"] == "problem"
    began = time.monotonic()
    refused = home.answer("office/quick")
    assert refused.status == 502, refused
    assert time.monotonic() - began < 10
    port.trouble = CALM
    recovered(home, office, 70)


def test_the_relay_is_cut_from_everybody_and_comes_back(net: Site) -> None:
    home, relay, office = trio(net)
    asked = [home.asking(f"office/{SLOW}", LONG) for _ in range(4)]
    time.sleep(1)  # the answers have begun
    cut(relay, 6.0)
    answers = [one.result() for one in asked]
    assert [one for one in answers if not one.whole] == []
    recovered(home, office, 10)


def test_a_machine_gets_another_address(net: Site) -> None:
    home, relay, office = trio(net)
    asked = home.asking(f"office/{SLOW}", LONG)
    time.sleep(1)  # the answer has begun
    office.machine.has("10.77.0.203/24", "fd77::203/64")
    answer = asked.result()
    assert answer.whole, answer
    recovered(home, office, 30)
    assert office.linked_within(1, "relay") < 1
    assert relay.status_of("office") == "direct"


def test_a_name_that_others_dial_gets_another_address(net: Site) -> None:
    hub, leaf = net.hub(), net.machine("leaf")
    leaf.knows({"hub.example": (net.lan.address("hub"),)})
    net.upstream(hub.machine)
    node = net.node(leaf, dial("ws://hub.example:19000"))
    node.linked_within(5, "hub")
    hub.machine.has("10.77.0.204/24")
    leaf.knows({"hub.example": ("10.77.0.204",)})
    wait_for(lambda: node.links() == set(), "the old link is given up", 30)
    assert node.linked_within(40, "hub") < 40
    node.nothing_taken_out()


def test_what_is_too_large_for_the_path_vanishes(net: Site) -> None:
    """A black hole: large packets are dropped, and nobody is told (RFC 2923)."""
    home, relay, office = trio(net)
    office.machine.ports["eth0"].trouble = Trouble(largest=1000)
    answer = home.answer("office/quick", "count to 3")
    assert answer.honest, answer
    large = home.answer("office/quick", "say " + "x" * 60_000)
    assert large.honest, large
    assert large.seconds < 60
    office.machine.ports["eth0"].trouble = CALM
    recovered(home, office, 70)
    relay.nothing_taken_out()


def cut(node: TroubledNode, seconds: float) -> None:
    """Lose every packet to and from a node's machine for a while."""
    port = node.machine.ports["eth0"]
    port.trouble = CUT
    time.sleep(seconds)  # what is tested is that this time passes
    port.trouble = CALM
