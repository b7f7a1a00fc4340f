"""One call, exactly: what an approval is for, and the digest that names it. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import attrs

from clawmatrix_core import Bound
from clawmatrix_grants.question import Question

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_core import JSON, Action, NodeId

__all__ = ["ARGUMENTS", "Call", "canonical"]

ARGUMENTS = Bound(
    262_144,
    "bytes of the arguments of a call that waits for an approval",
    fed_by="a member",
    when_full="the call is denied",
)
DEPTH: Final = 64
"""How deep lists and objects of arguments may be in each other."""
_DOMAIN: Final = b"clawmatrix approval 1"


@attrs.frozen
class Call:
    """What a peer wants to do, and the policy by which a person has to allow it.

    Attributes:
        peer: the node that calls, ``LOCAL`` for this node's own clients.
        key: the key that it has proved, as text; None for ``LOCAL``.
        action: what it asks for.
        target: the name of the tool, agent, model, workspace or resource.
        arguments: what it calls with, as ``canonical`` writes it.
        policy: the digest of the policy in force.
        rule: the rule by which a person is asked, and the plugin that has it.
        digest: names the call; another call has another one.
    """

    peer: NodeId
    key: str | None
    action: Action
    target: str
    arguments: str = attrs.field(repr=False)
    policy: str
    rule: str
    digest: str = attrs.field(init=False, repr=False, eq=False)

    @digest.default
    def _digest(self) -> str:
        taken = hashlib.sha256(_DOMAIN)
        for part in _parts(self):
            taken.update(len(part).to_bytes(8, "big") + part)
        return taken.hexdigest()

    @classmethod
    def of(cls, question: Question, peer: NodeId, *, policy: str, rule: str) -> Call:
        """Return the call of a question.

        Raises: ValueError, where its arguments are no JSON, or too much for a person to look at.
        """
        arguments = canonical(question.arguments)
        if len(arguments) > ARGUMENTS:
            raise ValueError(f"its arguments have over {ARGUMENTS.text}, too much to approve")
        key = question.key
        return cls(peer, key, question.action, question.target, arguments, policy, rule)

    def question(self) -> Question:
        """Return the question that it is the answer to."""
        return Question(self.peer, self.key, self.action, self.target, self.read_arguments())

    def read_arguments(self) -> Mapping[str, JSON] | None:
        """Return the arguments; None where the call has none."""
        found: Mapping[str, JSON] | None = json.loads(self.arguments)
        return found


def canonical(arguments: Mapping[str, JSON] | None) -> str:
    """Return arguments as JSON in ASCII that only equal arguments have.

    Keys are sorted, and ``1``, ``1.0`` and ``true`` differ. Raises: ValueError, for what is not
    JSON, NaN and infinity among it, and for lists and objects in each other deeper than 64.
    """
    if arguments is not None and not isinstance(arguments, Mapping):
        raise ValueError("its arguments are no object")
    value = None if arguments is None else dict(arguments)
    _check(value, DEPTH)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _check(value: JSON, depth: int) -> None:
    """Refuse what JSON would write as something else. Raises: ValueError."""
    if depth < 0:
        raise ValueError(f"its arguments are nested deeper than {DEPTH}")
    if type(value) is dict:
        if not all(type(key) is str for key in value):
            raise ValueError("its arguments have a key that is no text")
        for one in value.values():
            _check(one, depth - 1)
    elif type(value) is list:
        for one in value:
            _check(one, depth - 1)
    elif value is not None and type(value) not in (str, bool, int, float):
        raise ValueError(f"its arguments have a {type(value).__name__}, which is not JSON")


def _parts(call: Call) -> Iterator[bytes]:
    yield call.peer.encode("utf-8", "surrogatepass")
    yield b"" if call.key is None else call.key.encode("utf-8", "surrogatepass")
    for text in (call.action, call.target, call.arguments, call.policy, call.rule):
        yield text.encode("utf-8", "surrogatepass")
