"""Every attack on real nodes is in the table, with reduced tests that `make test` runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.attacks.reduced import ATTACKS, Attack

ROOT = Path(__file__).parents[2]
SLOW = "pytest.mark.slow"


def find(test: str) -> tuple[ast.AsyncFunctionDef | ast.FunctionDef, bool]:
    """Return a test, and whether it is marked slow, itself or with all of its file."""
    file, _, name = test.partition("::")
    tree = ast.parse((ROOT / file).read_text())
    kinds = (ast.AsyncFunctionDef, ast.FunctionDef)
    [found] = [one for one in tree.body if isinstance(one, kinds) and one.name == name]
    marks = [one for one in tree.body if ast.unparse(one).startswith("pytestmark")]
    told = [*map(ast.unparse, found.decorator_list), *map(ast.unparse, marks)]
    return found, any(SLOW in one for one in told)


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.what for attack in ATTACKS])
def test_an_attack_has_reduced_tests(attack: Attack) -> None:
    assert find(attack.whole)[1]
    assert attack.reduced
    for test in attack.reduced:
        assert not find(test)[1], test


def test_every_attack_on_real_nodes_is_in_the_table() -> None:
    made = {
        f"{file.relative_to(ROOT)}::{node.name}"
        for file in (ROOT / "tests" / "attacks").glob("test_*.py")
        if file.name != Path(__file__).name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.AsyncFunctionDef) and node.name.startswith("test_")
    }
    assert made == {attack.whole for attack in ATTACKS}
