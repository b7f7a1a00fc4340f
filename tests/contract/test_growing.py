"""Whatever grows in a node has a bound that is declared, or a reason for which it needs none."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter

import pytest

from tests.contract import growing
from tests.contract.bounds_doc import declared
from tests.contract.house import ROOT

FILE = ROOT / "tests" / "contract" / "growing.toml"
LISTED = tomllib.loads(FILE.read_text())
BOUNDED = [name for entry in LISTED["bounded"] for name in entry["names"]]
EXCUSED = [name for entry in LISTED["excused"] for name in entry["names"]]


def test_each_growing_container_is_bounded_or_excused_and_each_that_is_listed_is_there() -> None:
    found = growing.growing()
    missing = {name: place for name, place in found.items() if name not in BOUNDED + EXCUSED}
    assert not missing, f"give each a Bound, or a reason in {FILE.name}"
    assert not {*BOUNDED, *EXCUSED} - found.keys()


def test_each_is_listed_once() -> None:
    assert not [name for name, count in Counter(BOUNDED + EXCUSED).items() if count > 1]


def test_the_bounds_are_declared() -> None:
    assert {entry["by"] for entry in LISTED["bounded"]} <= declared().keys()


def test_each_excuse_is_in_words() -> None:
    assert all(len(entry["because"].split()) >= 4 for entry in LISTED["excused"])


@pytest.mark.parametrize(
    ("made", "grown"),
    [
        ("self._x = {}", "self._x[key] = 1"),
        ("self._x: dict[str, int] = make()", "self._x.setdefault(key, 1)"),
        ("self._x: dict[str, list[int]] = {}", "self._x.setdefault(key, []).append(1)"),
        ("self._x = defaultdict(set)", "self._x[key].add(1)"),
        ("self._x = Counter()", "self._x[key] += 1"),
        ("self._x = [1]", "self._x += more"),
        ("self._x = bytearray()", "self._x.extend(more)"),
        ("self._x = b''", "self._x = self._x + more"),
        ("self._x = deque()", "self._x.appendleft(1)"),
        ("self._x = load()", "self._x[key] = 1"),
        ("self._x = []", "self._x = [*self._x, 1]"),
        ("self._x = {}", "x = self._x; x[key] = 1"),
        ("self._x = []", "y, x = key, self._x; x.append(1)"),
    ],
)
def test_what_grows_is_seen(made: str, grown: str) -> None:
    assert seen(made, grown) == {"module.Thing._x"}


@pytest.mark.parametrize(
    ("made", "grown"),
    [
        ("self._x = deque(maxlen=3)", "self._x.append(1)"),
        ("self._x = []", "self._x.pop()"),
        ("self._x = 0", "self._x += 1"),
        ("self._x = {}", "other._y[key] = 1"),
    ],
)
def test_what_does_not_grow_is_left_out(made: str, grown: str) -> None:
    assert not seen(made, grown)


def seen(made: str, grown: str) -> set[str]:
    text = f"class Thing:\n def __init__(self):\n  {made}\n def take(self, key, more):\n  {grown}\n"
    return set(growing.growing_in({"module": ast.parse(text)}))


def test_fields_of_attrs_and_containers_of_modules_are_seen() -> None:
    text = (
        "_all = {}\n"
        "def note(key):\n _all[key] = 1\n"
        "@functools.cache\ndef made(key):\n return key\n"
        "@attrs.define\nclass Thing:\n x: Foo = attrs.field(factory=list)\n y: set[int]\n"
        " def take(self):\n  self.x.append(1)\n  self.y.add(1)\n"
    )
    found = growing.growing_in({"module": ast.parse(text)})
    assert set(found) == {"module._all", "module.made()", "module.Thing.x", "module.Thing.y"}
