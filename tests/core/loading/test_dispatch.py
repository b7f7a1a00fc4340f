"""The verbs ``every`` and ``demand`` for the hooks of a plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from clawmatrix_core.base.answers import Answer
from clawmatrix_core.base.dispatch import dispatch
from clawmatrix_core.base.errors import DemandFailed, LocalProtocolError
from clawmatrix_core.hookspecs import hookimpl, hookspec
from clawmatrix_core.kernel.node_hooks import NodeHooks
from clawmatrix_core.kernel.registry import PluginRegistry

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node

pytestmark = pytest.mark.anyio


class LoftHooks:
    @staticmethod
    @hookspec
    @dispatch("every")
    async def may_land(node: Node, name: str) -> bool | None:
        """Say whether a pigeon may land. Called by ``loft``. Dispatch: every."""

    @staticmethod
    @hookspec
    @dispatch("demand")
    async def feed(node: Node, name: str) -> int:
        """Feed a pigeon, and return the grains. Called by ``loft``. Dispatch: demand."""
        raise NotImplementedError


class Loft:
    plugin_name, hookspecs = "loft", LoftHooks


class Keeper:
    extends = ("loft",)

    def __init__(self, name: str, lands: object, grains: object) -> None:
        self.plugin_name, self.lands, self.grains = name, lands, grains

    @hookimpl
    async def may_land(self, node: Node) -> Any:
        return self.lands

    @hookimpl
    async def feed(self, name: str) -> Any:
        if self.grains is None:
            raise LookupError(f"no grain for {name}")
        return self.grains


def hooks_of(*plugins: object) -> NodeHooks:
    registry = PluginRegistry()
    registry.load([Loft(), *plugins])
    assert {info.state for info in registry.active()} == {"active"}
    return NodeHooks(registry, object())


async def test_every_gives_each_answer_and_each_fault_in_order_of_calling() -> None:
    keepers = [Keeper("a", True, 1), Keeper("b", None, 1), Keeper("c", "yes", 1)]
    hooks = hooks_of(*keepers)
    wrong, none, true = await hooks.every(LoftHooks.may_land, bool, name="Martha")
    assert (true, none) == (Answer("a", True), Answer("b"))
    assert (wrong.plugin, wrong.value) == ("c", None)
    assert str(wrong.fault) == "may_land: TypeError: gave a str, not a bool"
    assert {info.name: info.faults for info in hooks.plugins() if info.faults} == {"c": 1}


async def test_every_without_an_implementation_is_empty() -> None:
    assert await hooks_of().every(LoftHooks.may_land, bool, name="Martha") == []


async def test_demand_gives_all_answers_or_names_who_failed() -> None:
    good = Keeper("a", True, 1), Keeper("b", True, 2)
    assert await hooks_of(*good).demand(LoftHooks.feed, int, name="Martha") == [("b", 2), ("a", 1)]
    hooks = hooks_of(*good, Keeper("c", True, None))
    with pytest.raises(DemandFailed, match="plugin c: feed: LookupError: no grain for Martha"):
        await hooks.demand(LoftHooks.feed, int, name="Martha")
    with pytest.raises(DemandFailed, match="no plugin answers feed") as caught:
        await hooks_of().demand(LoftHooks.feed, int, name="Martha")
    assert caught.value.plugin == ""


async def test_a_hook_is_called_with_its_own_verb() -> None:
    hooks = hooks_of(Keeper("a", True, 1))
    untyped = cast("Any", hooks)
    for call, verb, other in (
        (untyped.notify(LoftHooks.may_land, name="Martha"), "every", "notify"),
        (untyped.demand(LoftHooks.may_land, bool, name="Martha"), "every", "demand"),
        (untyped.every(LoftHooks.feed, int, name="Martha"), "demand", "every"),
        (untyped.first(LoftHooks.feed, name="Martha"), "demand", "first"),
    ):
        with pytest.raises(LocalProtocolError, match=f"with {verb}, not with {other}"):
            await call


async def test_one_plugin_alone_can_be_asked() -> None:
    hooks = hooks_of(Keeper("a", True, 1), Keeper("b", False, 1))
    assert await hooks.one("b", LoftHooks.may_land, name="Martha") is False


def test_the_mark_is_for_an_async_def_and_one_of_two_verbs() -> None:
    def plain(node: object) -> bool:
        raise NotImplementedError

    async def asked(node: object) -> bool:
        raise NotImplementedError

    with pytest.raises(TypeError, match="is for an async def"):
        dispatch("every")(plain)
    with pytest.raises(TypeError, match='"every" or "demand"'):
        dispatch(cast("Any", "notify"))(asked)
