"""The ``[grants-tests]`` tables: what the grants are expected to say."""

from __future__ import annotations

import time
from collections.abc import Mapping  # noqa: TC003 - read from the annotations
from typing import TYPE_CHECKING, ClassVar, Final, Self

import attrs

from clawmatrix_core import JSON, LOCAL, Action, is_node_id, key_text, option
from clawmatrix_grants.config import Effect  # noqa: TC001 - read from the annotations
from clawmatrix_grants.names import TABLE
from clawmatrix_grants.policy import Policy
from clawmatrix_grants.question import Decision, Question
from clawmatrix_grants.tool_shapes import canonical_arguments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from clawmatrix_core import Known, NodeId
    from clawmatrix_grants.config import GrantsConfig
    from clawmatrix_grants.tool_shapes import ToolShape

__all__ = ["Expectation", "ExpectationsConfig", "failed_expectations"]

_SOME_KEY: Final = key_text(bytes(32))


class Asker(str):
    """Who asks in a test."""

    __slots__ = ()
    config_words: ClassVar[str] = 'the name of a node, or "@local"'

    @classmethod
    def from_config(cls, value: object, source: object) -> Self:
        """Return the name. Raises: ValueError, TypeError."""
        if not isinstance(value, str):
            raise TypeError
        if not (is_node_id(value) or value == LOCAL):
            raise ValueError(f"expected {cls.config_words}")
        return cls(value)


@attrs.frozen
class Expectation:
    """One test: what the answer to a question has to be."""

    peer: Asker = option(
        doc='The node that asks, with the key that it is granted something for, or "@local".'
    )
    expect: Effect = option(doc="What the answer has to be.")
    tool: str | None = option(default=None, doc="The tool that it asks for.")
    action: Action = option(default="tool", doc="What `target` is the name of.")
    target: str | None = option(
        default=None, doc="What it asks for, where that is no tool; in the place of `tool`."
    )
    args: Mapping[str, object] = option(factory=dict, doc="The arguments that it asks with.")

    def __attrs_post_init__(self) -> None:
        if (self.tool is None) == (self.target is None):
            raise ValueError("has to have one of tool and target, and one only")
        if self.tool is not None and self.action != "tool":
            raise ValueError(f'names the tool by target where action = "{self.action}"')

    @property
    def wanted(self) -> str:
        """The name of what is asked for."""
        return self.target if self.tool is None else self.tool  # type: ignore[return-value]


@attrs.frozen
class ExpectationsConfig:
    """What the grants are expected to say; a test that fails refuses the file."""

    tests: Mapping[str, Expectation] = option(
        factory=dict, rest=True, name="NAME", doc="A test.", reload=True
    )


class AssumedKeys:
    """A trust store in which every key is as it should be: a test is about the rules."""

    def how_known(self, node_id: NodeId, key: str | bytes, /) -> Known:
        """See ``KnownKeys``."""
        return "accepted"

    def retired(self, key: str | bytes, /) -> bool:
        """See ``KnownKeys``."""
        return False

    def followed(self, node_id: NodeId, old: str, new: str, /) -> bool:
        """See ``KnownKeys``."""
        return old == new


def failed_expectations(
    grants: GrantsConfig,
    tests: ExpectationsConfig,
    shapes: Sequence[ToolShape],
    wall: Callable[[], float] = time.time,
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the path of each test that fails, and why.

    ``wall`` gives the time in seconds since 1970.
    """
    policy = Policy(grants, AssumedKeys(), wall=wall)
    for name, test in tests.tests.items():
        if (why := _failure(policy, grants, test, shapes)) is not None:
            yield (name,), why


def _failure(
    policy: Policy, grants: GrantsConfig, test: Expectation, shapes: Sequence[ToolShape]
) -> str | None:
    arguments: Mapping[str, JSON] = dict(test.args)
    if test.action == "tool":
        try:
            arguments = canonical_arguments(shapes, test.wanted, arguments)
        except ValueError as error:
            return f"the tool {test.wanted} refuses these args: {error}"
    grant = grants.grants.get(test.peer)  # type: ignore[call-overload]
    key = None if str(test.peer) == LOCAL else (grant and grant.key) or _SOME_KEY
    found = policy.decide(Question(test.peer, key, test.action, test.wanted, arguments))
    got = _effect(found)
    if got == test.expect:
        return None
    why = found.reason if found.rule == TABLE else f"{found.rule} decides"
    return f"expected {test.expect}, got {got}: {why}"


def _effect(found: Decision) -> Effect:
    """Return what a decision comes to where no other plugin decides."""
    return "allow" if found.effect is None else found.effect
