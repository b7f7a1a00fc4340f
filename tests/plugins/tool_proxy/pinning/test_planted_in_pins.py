"""The tests of pins bite: each planted bug makes the tests that are named for it fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from clawmatrix_tool_proxy.pinning import pins
from clawmatrix_tool_proxy.pinning.definitions import Definition, definition_of
from clawmatrix_tool_proxy.pinning.pins import Pins
from tests.plugins.tool_proxy.pinning import test_pins
from tests.tools.planted import fails

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_core import JSON
    from clawmatrix_tool_proxy.pinning.waiting import Waiting

pytestmark = pytest.mark.anyio


def pin_by_name_only(value: JSON) -> Definition | None:
    return definition_of("the same")


def pin_description_only(value: JSON) -> Definition | None:
    return definition_of(value.get("description") if isinstance(value, dict) else value)


def accept_what_is_there_now(
    name: str, waiting: Waiting | None, shown: object
) -> Definition | None:
    return DEFINITION(name, waiting, None)


DEFINITION = pins._definition


def a_schema_changes() -> None:
    test_pins.test_any_change_of_a_definition_waits(test_pins.CHANGES[1])


PLANTS: dict[str, tuple[object, str, object, tuple[Callable[[], None], ...]]] = {
    "pin by name only": (
        pins,
        "definition_of",
        pin_by_name_only,
        (
            test_pins.test_nothing_that_changed_or_was_added_is_accepted_without_a_person,
            test_pins.test_what_was_gone_and_comes_back_changed_waits,
        ),
    ),
    "pin the description only": (pins, "definition_of", pin_description_only, (a_schema_changes,)),
    "what is there now is accepted": (
        pins,
        "_definition",
        accept_what_is_there_now,
        (test_pins.test_only_what_was_shown_is_accepted,),
    ),
    "another key takes pins over": (
        Pins,
        "_earlier",
        lambda self, owner: next(iter(self.table.owners), None),
        (test_pins.test_a_key_that_is_not_followed_is_another_owner,),
    ),
}


@pytest.mark.parametrize("name", PLANTS)
async def test_a_planted_bug_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, bug, caught_by = PLANTS[name]
    monkeypatch.setattr(owner, attribute, bug)
    for check in caught_by:
        assert await fails(check)
