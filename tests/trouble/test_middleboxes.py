"""A middlebox on the way: it translates addresses, and forgets the connections that it knows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.integration.conftest import wait_for
from tests.trouble.conftest import Site, TroubledNode, dial, model
from tests.trouble.machines import require_programs

if TYPE_CHECKING:
    from tests.trouble.machines import Machine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

LONG = "count to 500"
SLOW = "slow@40ms"
"""A model whose answer to the above takes twenty seconds."""
NAT = """\
add table ip nat
add chain ip nat post { type nat hook postrouting priority 100; }
add rule ip nat post oifname "eth0" masquerade
add table ip fences
add chain ip fences through { type filter hook forward priority 0; }
add rule ip fences through ct state invalid drop
add chain ip fences local { type filter hook input priority 0; }
"""
SILENT = 'add rule ip fences local iifname "eth0" tcp dport != 22 drop\n'
"""Packets of connections that the middlebox does not know get no answer."""


@attrs.frozen
class Branch:
    """Home is behind a middlebox; the hub and office are not."""

    home: TroubledNode
    hub: TroubledNode
    office: TroubledNode
    box: Machine

    def forget(self) -> None:
        """Have the middlebox forget all connections."""
        self.box.run("conntrack", "-F")

    def healed(self) -> None:
        """Fail where not all is well again, soon."""
        self.home.linked_within(20, "hub")
        self.home.wait_for_status("office", "relay")
        again = self.home.answer("office/quick")
        assert again.whole, again
        for node in (self.home, self.hub, self.office):
            node.nothing_taken_out()


def branch(net: Site, *, silent: bool, more: str = "") -> Branch:
    require_programs("conntrack")
    hub = net.hub(more=more)
    box, machine, inside = net.machine("box"), net.machine("office"), net.inside()
    inside.plug(box, "eth1")
    box.sets("ipv4/ip_forward", 1)
    box.sets("netfilter/nf_conntrack_tcp_loose", 0)
    box.nft(NAT + SILENT * silent)
    net.upstream(machine)
    address = f"ws://{net.lan.address('hub')}:19000"
    served = model("quick") + model(SLOW)
    office = net.node(machine, dial(address, more=f"direct = false\n{more}{served}"))
    desk = inside.machine("home")
    desk.ip("route", "add", "default", "via", inside.address("box"))
    home = net.node(desk, dial(address, more=f"direct = false\n{more}"))
    home.wait_for_status("office", "relay")
    return Branch(home, hub, office, box)


@pytest.mark.parametrize("silent", [False, True], ids=["reset", "silent"])
def test_a_middlebox_forgets_a_connection_and_no_answer_is_lost(net: Site, silent: bool) -> None:
    """With ``reset`` the hub hears at once that the connection is gone, and home does not."""
    at = branch(net, silent=silent)
    asked = [at.home.asking(f"office/{SLOW}", LONG) for _ in range(2)]
    time.sleep(2)  # the answers have begun
    at.forget()
    answers = [one.result() for one in asked]
    assert [one for one in answers if not one.whole] == []
    at.healed()


def test_a_middlebox_gets_another_address(net: Site) -> None:
    at = branch(net, silent=True)
    asked = at.home.asking(f"office/{SLOW}", LONG)
    time.sleep(2)  # the answer has begun
    at.box.has("10.77.0.205/24")
    answer = asked.result()
    assert answer.whole, answer
    at.healed()


def test_an_idle_connection_is_kept_by_the_heartbeat(net: Site) -> None:
    """The middlebox forgets what is silent for longer than a heartbeat."""
    at = branch(net, silent=True)
    at.box.sets("netfilter/nf_conntrack_tcp_timeout_established", 8)
    before = at.home.log
    time.sleep(30)  # what is tested is that nothing else happens meanwhile
    assert at.home.log == before
    at.healed()


def test_a_middlebox_that_forgets_sooner_than_the_heartbeat_is_shown(net: Site) -> None:
    at = branch(net, silent=True)
    at.box.sets("netfilter/nf_conntrack_tcp_timeout_established", 2)
    wait_for(lambda: at.home.printed("status")["mesh"]["flapping"], "home sees it", 90)
    found = at.home.finding("mesh.flapping")
    assert "no sign of life" in found["detail"]
    at.home.end()
    at.home.config.write_text(at.home.config.read_text().replace("[mesh]", "[mesh]\nheartbeat = 1"))
    at.home.start()
    at.home.linked_within(20, "hub")
    before = at.home.log
    time.sleep(20)  # what is tested is that nothing else happens meanwhile
    assert at.home.log == before
    at.healed()
