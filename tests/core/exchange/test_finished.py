"""What is remembered of exchanges that are over: bounded, and fair between peers."""

from __future__ import annotations

from clawmatrix_core.base.node_id import NodeId
from clawmatrix_core.exchange.finished import Done, Finished

HOME, MALLORY = NodeId("home"), NodeId("mallory")


def done(until: float) -> Done:
    return Done(until, 0, True)


def fill(finished: Finished, peer: NodeId, count: int) -> None:
    for number in range(count):
        finished.put((peer, f"{number}", False), done(number))


def test_what_is_over_is_remembered_until_its_time() -> None:
    finished = Finished()
    fill(finished, HOME, 3)
    finished.put((HOME, "0", False), done(9.0))
    finished.forget(1.0)
    assert finished.get((HOME, "1", False)) is None
    assert finished.get((HOME, "0", False)) == done(9.0)
    assert finished.get((HOME, "2", False)) == done(2.0)
    assert finished.get((HOME, "2", True)) is None
    assert len(finished) == 2
    finished.forget(9.0)
    assert len(finished) == 0


def test_one_that_ends_many_makes_the_node_forget_its_own_first() -> None:
    finished = Finished(limit=100)
    fill(finished, HOME, 20)
    fill(finished, MALLORY, 5000)
    assert len(finished) == 100
    assert all(finished.get((HOME, f"{number}", False)) for number in range(20))
    assert finished.get((MALLORY, "0", False)) is None
    assert finished.get((MALLORY, "4999", False)) is not None
