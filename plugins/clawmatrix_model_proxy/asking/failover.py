"""The failover table: what is done about each fault. Pure, and the documentation's source.

The rules are tried from the top; the first that fits decides. It holds as long as the
client has been given nothing of an answer; after that every fault ends the answer with an
error, whatever it is.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from clawmatrix_model_proxy.faults import AttemptFault, FaultKind

__all__ = ["TABLE", "Action", "Rule", "rule_for"]


class Action(Enum):
    """What to do about a fault."""

    RETRY = "retry here, then the next candidate"
    """Ask the same candidate again after a while, as often as the rule says; then the next."""
    NEXT = "the next candidate"
    """Ask the next candidate; this one has had its turn."""
    END = "end with this error"
    """The request is at fault, and no other candidate would like it better."""


class Rule(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        about: the row in words.
        action: what to do.
        kinds: the kinds of fault it is for.
        statuses: the statuses it is for; empty for all.
        codes: the codes it is for; empty for all.
        retries: how often the same candidate is asked again.
        counts: whether it counts against the candidate's health.
        why: the reason, for the documentation.
    """

    about: str
    action: Action
    kinds: frozenset[FaultKind] = frozenset({"status"})
    statuses: frozenset[int] = frozenset()
    codes: frozenset[str] = frozenset()
    retries: int = 0
    counts: bool = True
    why: str = ""

    def fits(self, fault: AttemptFault) -> bool:
        """Say whether the row is for a fault."""
        return (
            fault.kind in self.kinds
            and (not self.statuses or fault.status in self.statuses)
            and (not self.codes or fault.code in self.codes)
        )


def _kinds(*kinds: FaultKind) -> frozenset[FaultKind]:
    return frozenset(kinds)


TABLE: tuple[Rule, ...] = (
    Rule(
        "the prompt is too long for this model, by a code or by the words of common servers",
        Action.NEXT,
        codes=frozenset(
            {"context_length_exceeded", "string_above_max_length", "request_too_large"}
        ),
        counts=False,
        why="another candidate may take more; the same one never will",
    ),
    Rule(
        "the prompt was refused by a content filter",
        Action.END,
        codes=frozenset({"content_policy_violation", "content_filter", "moderation_blocked"}),
        counts=False,
        why="the reason is for the person who asked",
    ),
    Rule(
        "the upstream lacks what is asked beside answers (404, 405, 501 to counting or embeddings),"
        " or does not know a setting, which its error names",
        Action.NEXT,
        kinds=_kinds("lacks"),
        counts=False,
        why="another candidate may have it",
    ),
    Rule(
        "a JSON object was asked for, of an API that has no such wish, and the answer is none",
        Action.NEXT,
        kinds=_kinds("status", "broke", "cut"),
        codes=frozenset({"answer_not_json"}),
        counts=False,
        why="another model may keep to what the prompt says",
    ),
    Rule(
        "400, 405, 406, 411, 414, 415, 422",
        Action.END,
        statuses=frozenset({400, 405, 406, 411, 414, 415, 422}),
        counts=False,
        why="the request itself is wrong, everywhere",
    ),
    Rule(
        "413",
        Action.NEXT,
        statuses=frozenset({413}),
        counts=False,
        why="another candidate may take more",
    ),
    Rule(
        "401, 402, 403, 407",
        Action.NEXT,
        statuses=frozenset({401, 402, 403, 407}),
        why="every key of that upstream is used up or refused",
    ),
    Rule("404, 410", Action.NEXT, statuses=frozenset({404, 410}), why="not there any more"),
    Rule(
        "429",
        Action.RETRY,
        statuses=frozenset({429}),
        retries=2,
        why="after Retry-After where that is short enough, else with growing pauses",
    ),
    Rule(
        "408, 409, 425, 500, 502, 503, 504, 529",
        Action.RETRY,
        statuses=frozenset({408, 409, 425, 500, 502, 503, 504, 529}),
        retries=1,
        why="often gone in a moment",
    ),
    Rule("any other status", Action.NEXT, why="nothing is known of it"),
    Rule(
        "the upstream cannot be reached, or breaks off before its answer",
        Action.RETRY,
        kinds=_kinds("connect", "broke"),
        retries=1,
        why="a restart, or a connection that was kept too long",
    ),
    Rule(
        "silence: nothing came in its time",
        Action.NEXT,
        kinds=_kinds("silent"),
        why="asking a silent route again only adds to the wait",
    ),
    Rule(
        "the answer is cut off, stalls or fails, while it is still held back",
        Action.NEXT,
        kinds=_kinds("cut"),
        why="the next answer begins anew; parts of two are never joined",
    ),
    Rule(
        "this node cannot put the request into its upstream's API",
        Action.NEXT,
        kinds=_kinds("refused"),
        counts=False,
        why="another candidate's API may carry it",
    ),
    Rule(
        "the node is lost, out of reach, busy or stopping",
        Action.NEXT,
        kinds=_kinds("node"),
        why="the others are still there",
    ),
)


def rule_for(fault: AttemptFault) -> Rule:
    """Return the row that decides about a fault."""
    return next(rule for rule in TABLE if rule.fits(fault))
