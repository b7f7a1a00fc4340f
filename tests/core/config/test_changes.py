"""What a new configuration changes, and what of it is in force at once."""

from __future__ import annotations

import attrs
import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.changes import Changes, merge
from clawmatrix_core.config.config import Config, ConfigSection, option

OLD, NEW = "the old secret of a mesh, for tests", "the new secret of a mesh, for tests"


@attrs.frozen
class Loft:
    address: str = option(default="roof", doc="Where it is.")
    names: tuple[str, ...] = option(default=(), doc="Who lives there.", reload=True)


@attrs.frozen
class Pair:
    """Two keys that go together only in order."""

    low: int = option(default=0, doc="The lower.")
    high: int = option(default=9, doc="The higher.", reload=True)

    def __attrs_post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


@attrs.frozen
class Rest:
    by_name: dict[str, int] = option(factory=dict, doc="Any.", rest=True, reload=True)


def config(*, secret: str = OLD, **raw: object) -> Config:
    made = Config.from_mapping({"node_id": "a", "secret": secret, **raw})
    made.bind([ConfigSection("loft", Loft), ConfigSection("pair", Pair)], known=["other"])
    return made


def test_keys_that_reload_are_taken_and_the_others_stay() -> None:
    old, new = Loft(names=("ann",)), Loft(address="tower", names=("ann", "bob"))
    merged, changes = merge(old, new, "loft")
    assert merged == Loft(address="roof", names=("ann", "bob"))
    assert changes == Changes(frozenset({"loft.names"}), frozenset({"loft.address"}))


def test_a_table_that_is_the_same_stays_the_very_one() -> None:
    old = Loft(names=("ann",))
    merged, changes = merge(old, Loft(names=("ann",)), "loft")
    assert merged is old
    assert changes == Changes()


def test_a_table_of_free_keys_changes_as_a_whole() -> None:
    _, changes = merge(Rest(by_name={"a": 1}), Rest(by_name={"a": 2}), "grants")
    assert changes.reloaded == {"grants"}


def test_the_whole_configuration_is_compared() -> None:
    old = config(tags=["x"], state_dir="/one", loft={"names": ["ann"]})
    new = config(
        secret=NEW, tags=["y"], state_dir="/two", plugins=["mesh"], loft={"address": "tower"}
    )
    taken, changes = old.taking(new)
    assert changes.reloaded == {"secret", "tags", "loft.names"}
    assert changes.restart == {"state_dir", "plugins", "loft.address"}
    assert (taken.tags, taken.secret.reveal()) == (("y",), NEW)
    assert (taken.state_dir, taken.plugins) == (old.state_dir, None)
    assert taken.section(Loft) == Loft(address="roof", names=())
    assert old.tags == ("x",)


def test_what_waits_for_a_restart_is_named_again_the_next_time() -> None:
    old, new = config(), config(tags=["x"], loft={"address": "tower"})
    taken, first = old.taking(new)
    _, second = taken.taking(new)
    assert first.restart == second.restart == {"loft.address"}
    assert second.reloaded == frozenset()


def test_new_keys_that_do_not_go_with_what_stays_are_a_mistake() -> None:
    old, new = config(pair={"low": 5, "high": 9}), config(pair={"low": 1, "high": 3})
    with pytest.raises(ConfigError) as caught:
        old.taking(new)
    assert caught.value.problems == ("pair: low is above high, until the node is restarted",)


def test_a_new_configuration_that_is_wrong_cannot_be_taken() -> None:
    raw = {"node_id": "a", "secret": "short", "loft": {"name": []}, "other": {"x": 1}}
    with pytest.raises(ConfigError) as caught:
        config().taking(Config.from_mapping(raw))
    paths = [problem.partition(":")[0] for problem in caught.value.problems]
    assert paths == ["secret", "loft.name"]
