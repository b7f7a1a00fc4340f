"""Running work is ended when it is no longer allowed; each planted bug fails a named test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from clawmatrix_core.base.errors import Revoked
from clawmatrix_core.policy.standing import Asked, Standing, Standings
from clawmatrix_core.policy.verdict import LOCAL, Verdict
from clawmatrix_core.testing.fixtures import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from clawmatrix_core.policy.verdict import Effect

pytestmark = [pytest.mark.anyio, pytest.mark.both_loops]

HOME = Asked("home", "ed25519:home", "tool", "bell", {"loud": True})


class Policy:
    """What is allowed now, and how often it was asked."""

    def __init__(self) -> None:
        self.effect: Effect = "allow"
        self.asked: list[Asked] = []
        self.change_while_asked = False
        self.standings = Standings(self.decide)

    async def decide(self, asked: Asked) -> Verdict:
        self.asked.append(asked)
        verdict = Verdict(self.effect, f"it is a {self.effect}")
        if self.change_while_asked:
            self.change_while_asked = False
            self.change("deny")
        await anyio.lowlevel.checkpoint()
        return verdict

    def change(self, effect: Effect) -> None:
        self.effect = effect
        self.standings.changed("a test")


@pytest.fixture
async def policy() -> AsyncIterator[Policy]:
    made = Policy()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(made.standings.run)
        yield made
        tasks.cancel_scope.cancel()


async def works(policy: Policy, *, approved: bool = False, asked: Asked = HOME) -> None:
    """Work until it is ended; that must come within a second."""
    async with policy.standings.begin(asked, approved=approved):
        with anyio.fail_after(1):
            await anyio.sleep_forever()


async def ends_by(policy: Policy, change: object, *, approved: bool = False) -> str:
    async with anyio.create_task_group() as tasks:
        why: list[str] = []

        async def work() -> None:
            with pytest.raises(Revoked) as raised:
                await works(policy, approved=approved)
            why.append(raised.value.reason)

        tasks.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        assert callable(change)
        change()
    assert len(policy.standings) == 0
    return why[0]


async def test_a_change_that_denies_ends_running_work(policy: Policy) -> None:
    assert await ends_by(policy, lambda: policy.change("deny")) == "it is a deny"
    assert policy.asked == [HOME, HOME]


async def test_an_ask_ends_work_that_nobody_approved(policy: Policy) -> None:
    assert await ends_by(policy, lambda: policy.change("ask")) == "it is a ask"


async def test_an_ask_lets_approved_work_go_on_and_a_deny_does_not(policy: Policy) -> None:
    policy.effect = "ask"

    def change() -> None:
        policy.change("ask")
        policy.change("deny")

    assert await ends_by(policy, change, approved=True) == "it is a deny"


async def test_a_change_that_allows_is_asked_about_and_work_goes_on(policy: Policy) -> None:
    async with policy.standings.begin(HOME, approved=False):
        policy.change("allow")
        await wait_until(lambda: len(policy.asked) == 2)
        assert len(policy.standings) == 1
    assert len(policy.standings) == 0


async def test_what_is_denied_as_it_begins_does_not_begin(policy: Policy) -> None:
    policy.effect, began = "deny", False
    with pytest.raises(Revoked, match=r"^no longer allowed on this node$"):
        async with policy.standings.begin(HOME, approved=False):
            began = True
    assert not began
    assert len(policy.standings) == 0


async def test_a_change_between_the_question_and_the_work_is_not_missed(policy: Policy) -> None:
    policy.change_while_asked, began = True, False
    with pytest.raises(Revoked):
        async with policy.standings.begin(HOME, approved=False):
            began = True
    assert not began


async def test_another_key_of_the_name_ends_work_whatever_the_policy_says(policy: Policy) -> None:
    policy.standings.keep_key("home", HOME.key)
    change = lambda: policy.standings.keep_key("home", "ed25519:other")  # noqa: E731
    assert "another key" in await ends_by(policy, change)
    assert "another key" in await ends_by(policy, lambda: policy.standings.keep_key("home", None))


async def test_a_revoked_key_ends_work_whatever_the_policy_says(policy: Policy) -> None:
    change = lambda: policy.standings.expel("ed25519:home")  # noqa: E731
    assert "revoked" in await ends_by(policy, change)


async def test_work_of_others_and_of_own_clients_is_not_ended_by_a_key(policy: Policy) -> None:
    own = Asked(LOCAL, None, "tool", "bell", {})
    async with (
        policy.standings.begin(HOME, approved=False),
        policy.standings.begin(own, approved=False),
    ):
        policy.standings.keep_key("lab", "ed25519:lab")
        policy.standings.expel("ed25519:lab")
        await anyio.wait_all_tasks_blocked()
        assert len(policy.standings) == 2


async def test_errors_and_results_of_the_work_pass(policy: Policy) -> None:
    with pytest.raises(LookupError):
        async with policy.standings.begin(HOME, approved=False):
            raise LookupError
    with anyio.CancelScope() as scope:
        async with policy.standings.begin(HOME, approved=False):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert len(policy.standings) == 0


async def test_callbacks_hear_why_until_they_unsubscribe(
    policy: Policy, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[str] = []

    def fails(_: str) -> None:
        raise LookupError("a test")

    policy.standings.when_changed(fails)
    stop = policy.standings.when_changed(heard.append)
    policy.change("allow")
    stop()
    stop()
    policy.change("allow")
    assert heard == ["a test"]
    assert "a callback for a change of the policy failed" in caplog.text


# --- planted bugs


def never_ask_again(self: Standings, why: str) -> None:
    """Let running work be."""


async def enter_without_asking(self: Standing) -> Standing:
    """Trust the answer that somebody got before."""
    self._standings.add(self)
    self._scope.__enter__()
    self._answered = self._standings.mark
    return self


def overlook_keys(self: Standings, peer: str, key: str | None) -> None:
    """Have the policy decide about another key of the name."""
    self.changed("a key")


PLANTS = {
    "nothing is asked again": (
        Standings,
        "changed",
        never_ask_again,
        test_a_change_that_denies_ends_running_work,
    ),
    "an earlier answer is trusted": (
        Standing,
        "__aenter__",
        enter_without_asking,
        test_what_is_denied_as_it_begins_does_not_begin,
    ),
    "another key is overlooked": (
        Standings,
        "keep_key",
        overlook_keys,
        test_another_key_of_the_name_ends_work_whatever_the_policy_says,
    ),
}


@pytest.mark.parametrize("name", PLANTS)
async def test_a_planted_bug_is_caught(
    name: str, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, attribute, bug, caught_by = PLANTS[name]
    monkeypatch.setattr(owner, attribute, bug)
    with pytest.raises((BaseExceptionGroup, AssertionError, pytest.fail.Exception)):
        await caught_by(policy)
