"""The tests of the gate bite: each planted bug makes the tests that are named for it fail."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import DemandFailed
from clawmatrix_core.kernel import gate
from clawmatrix_core.kernel.gate import Gate
from clawmatrix_core.loading.dispatcher import Dispatcher
from clawmatrix_core.policy.record import Receipt
from clawmatrix_core.policy.verdict import Verdict, combine
from tests.core.kernel import test_gate
from tests.tools.planted import fails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clawmatrix_core.base.answers import Answer
    from clawmatrix_core.policy.record import AuditRecord
    from clawmatrix_core.policy.verdict import Action

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.faults_expected,
    pytest.mark.annotations_unchecked,
]


def first_answer_wins(answers: Iterable[Answer[Verdict]], action: Action) -> Verdict:
    """Take the first answer, whatever the others say."""
    whole = list(answers)
    told = [one for one in whole if one.fault is not None or one.value is not None]
    return combine(told[:1], action)


def a_fault_abstains(answers: Iterable[Answer[Verdict]], action: Action) -> Verdict:
    """Leave out the plugins that failed."""
    return combine([one for one in answers if one.fault is None], action)


def an_ask_is_an_allow(answers: Iterable[Answer[Verdict]], action: Action) -> Verdict:
    """Take an ask for an allow."""
    found = combine(answers, action)
    return attrs.evolve(found, effect="allow") if found.effect == "ask" else found


def nobody_is_a_yes(answers: Iterable[Answer[Verdict]], action: Action) -> Verdict:
    """Allow what no plugin decides."""
    found = combine(answers, action)
    return found if found.plugin else Verdict("allow")


async def ask_until_one_answers(
    self: Dispatcher, hook: str, arguments: dict[str, Any], kinds: tuple[type, ...]
) -> list[Answer[Any]]:
    """Ask nobody else once a plugin has answered."""
    for impl in self._impls(hook):
        answer = await self._answer(hook, impl, arguments, kinds, serving=True)
        if answer.fault is not None or answer.value is not None:
            return [answer]
    return []


async def forget_who_went(
    self: Dispatcher, hook: str, arguments: dict[str, Any], kinds: tuple[type, ...]
) -> list[Answer[Any]]:
    """Take the answer of a plugin that was taken out meanwhile."""
    impls = tuple(self._impls(hook))
    return [await self._answer(hook, impl, arguments, kinds, serving=True) for impl in impls]


async def write_or_not(self: Gate, record: AuditRecord) -> Sequence[Receipt]:
    """Let work begin that nobody wrote down."""
    try:
        found = await self.hooks.demand(hookspecs.audit_record, Receipt, record=record)
    except DemandFailed:
        return []
    return [attrs.evolve(receipt, plugin=plugin) for plugin, receipt in found]


async def one_receipt_is_enough(self: Gate, record: AuditRecord) -> Sequence[Receipt]:
    """Let work begin once any plugin wrote it down."""
    arguments = {"node": self, "record": record}
    asked = self.registry.hooks._asked  # type: ignore[attr-defined]
    answers = await asked("audit_record", arguments, (Receipt,))
    receipts = [attrs.evolve(one.value, plugin=one.plugin) for one in answers if not one.fault]
    if not receipts:
        raise DemandFailed("", "nobody")
    return receipts


def overlook_who_is_out(self: Gate) -> None:
    """Forget the plugins that fell, and the table that one is missing for."""
    self.authorizers = self.hooks.implementing(hookspecs.authorize)


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and the named tests that must fail with it."""

    owner: object
    name: str
    bug: Callable[..., Any]
    caught_by: tuple[Callable[..., Any], ...]


def wrong(name: str, action: Action = "tool") -> Callable[..., Any]:
    return lambda: test_gate.test_a_plugin_that_goes_wrong_denies_and_is_named(name, action)


def no_receipt(name: str) -> Callable[..., Any]:
    return lambda: test_gate.test_one_that_gives_no_receipt_fails_it_for_all(name)


PLANTS = {
    "the first answer wins": Plant(
        gate,
        "combine",
        first_answer_wins,
        (
            test_gate.test_all_are_asked_and_the_strictest_answer_counts,
            test_gate.test_the_order_of_plugins_does_not_count,
            wrong("raises"),
        ),
    ),
    "nobody is asked after the first answer": Plant(
        Dispatcher,
        "_asked",
        ask_until_one_answers,
        (
            test_gate.test_all_are_asked_and_the_strictest_answer_counts,
            test_gate.test_the_order_of_plugins_does_not_count,
            wrong("hangs"),
        ),
    ),
    "a fault abstains": Plant(
        gate,
        "combine",
        a_fault_abstains,
        tuple(wrong(name) for name in test_gate.BROKEN),
    ),
    "an ask is an allow": Plant(
        gate, "combine", an_ask_is_an_allow, (test_gate.test_an_ask_beats_an_allow,)
    ),
    "what nobody decides is allowed": Plant(
        gate,
        "combine",
        nobody_is_a_yes,
        (test_gate.test_where_nobody_decides_models_are_allowed_and_nothing_else,),
    ),
    "one that was taken out meanwhile counts": Plant(
        Dispatcher,
        "_asked",
        forget_who_went,
        (
            lambda: test_gate.test_one_that_is_taken_out_while_others_are_asked_denies("engine"),
            test_gate.test_one_that_is_taken_out_while_it_decides_denies,
            test_gate.test_one_that_is_taken_out_meanwhile_fails_it,
        ),
    ),
    "one that fell is forgotten": Plant(
        Gate,
        "look_who_decides",
        overlook_who_is_out,
        (
            test_gate.test_a_plugin_that_was_taken_out_denies_everything,
            lambda: test_gate.test_a_table_of_grants_without_its_plugin_denies_everything("model"),
            test_gate.test_its_plugin_decides_where_it_works_and_denies_once_it_is_out,
        ),
    ),
    "work goes on where nothing is written": Plant(
        Gate,
        "audit",
        write_or_not,
        (
            test_gate.test_where_nobody_writes_it_down_it_fails,
            *(no_receipt(name) for name in test_gate.NO_RECEIPT),
        ),
    ),
    "one receipt is enough": Plant(
        Gate,
        "audit",
        one_receipt_is_enough,
        tuple(no_receipt(name) for name in test_gate.NO_RECEIPT),
    ),
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
async def test_a_planted_bug_is_caught(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    for check in plant.caught_by:
        with monkeypatch.context() as planted:
            planted.setattr(plant.owner, plant.name, plant.bug)
            assert await fails(check), inspect.getsource(check)
