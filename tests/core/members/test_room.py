"""Who gives way in a full directory: never a member that can be reached."""

from __future__ import annotations

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.members.room import Room
from tests.core.members.members import Member

HOME, HEARD, NEW = (NodeId(name) for name in ("home", "heard", "new"))


class House:
    """A directory with members of which some are heard and some can be reached."""

    def __init__(self, *names: str, **links: int) -> None:
        self.home = Member("home")
        self.home.meet()
        self.directory = self.home.directory
        self.heard: dict[NodeId, float] = {}
        self.reached: set[NodeId] = set()
        self.looks = 0
        self.time = 0.0
        for name in (*names, *links):
            self.take(name, links.get(name, 0))
        self.room = Room(self.directory, lambda: self.time, self.heard, self.is_reached)

    def take(self, name: str, links: int) -> None:
        listed = {NodeId(f"x{n}"): 1.0 for n in range(links)}
        self.directory.accept(Member(name).signed(links=listed))

    def is_reached(self, name: NodeId) -> bool:
        self.looks += 1
        return name in self.reached

    def vouch(self, *, links: int = 1) -> None:
        told = {NodeId(f"y{n}"): 1.0 for n in range(links - 1)} | {NEW: 1.0}
        self.directory.accept(Member("heard").signed(links=told))
        self.heard[HEARD] = 1.0

    @property
    def names(self) -> set[str]:
        return {str(peer.node_id) for peer in self.directory.all()}


def test_one_that_is_silent_and_out_of_reach_gives_way_to_one_that_is_vouched_for() -> None:
    house = House("breached", "caway")
    house.vouch()
    house.reached.add(NodeId("breached"))
    newcomer = Member("new").record(links={HEARD: 1.0})
    assert house.room.for_member(newcomer)
    assert house.names == {"home", "heard", "breached"}
    assert not house.room.for_member(newcomer)


def test_nobody_gives_way_to_one_that_no_other_vouches_for() -> None:
    house = House("caway")
    house.vouch(links=1025)
    assert not house.room.for_member(Member("new").record(links={HEARD: 1.0}))
    assert not house.room.for_member(Member("new").record())
    assert house.names == {"home", "heard", "caway"}


def test_the_longest_lists_out_of_reach_give_way_to_links() -> None:
    house = House("none", short=2, long=5, reached=9)
    house.reached.add(NodeId("reached"))
    house.room.for_links(4)
    assert house.names == {"home", "none", "short", "reached"}
    house.room.for_links(4)
    assert house.names == {"home", "none", "reached"}
    house.room.for_links(0)


def test_the_whole_directory_is_looked_through_once_a_second_at_most() -> None:
    house = House(*(f"away{n}" for n in range(200)))
    house.vouch()
    house.reached.update(peer.node_id for peer in house.directory.all())
    newcomer = Member("new").record(links={HEARD: 1.0})
    for _ in range(500):
        assert not house.room.for_member(newcomer)
    assert house.looks <= 201
    house.reached.clear()
    house.time = 1.0
    for _ in range(150):
        assert house.room.for_member(newcomer)
    assert house.looks <= 2 * 201 + 150


def test_one_out_of_reach_gives_way_to_one_that_has_proved_itself_silent_ones_first() -> None:
    house = House("away", "heard", "reached")
    house.heard[HEARD] = 1.0
    house.reached.add(NodeId("reached"))
    assert house.room.for_proved()
    assert house.names == {"home", "heard", "reached"}
    assert house.room.for_proved()
    assert house.names == {"home", "reached"}
    assert not house.room.for_proved()
