"""What the log says of a record: the words by which people find calls in it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from clawmatrix_audit.describing import clean

if TYPE_CHECKING:
    from clawmatrix_core import AuditRecord, RateLimitedLogger

__all__ = ["log_record", "record_words"]

SUCCESS: Final = frozenset({"success", "ok", "completed", "allow", "allowed"})
"""Outcomes that are no failure."""


def log_record(log: logging.Logger, limited: RateLimitedLogger, record: AuditRecord) -> None:
    """Tell the log of a record; ``limited`` of denials, since who is denied can ask again."""
    level, words = record_words(record)
    if record.event == "denied":
        limited.log(level, (record.peer, record.key, record.target), "%s", words)
    else:
        log.log(level, "%s", words)


def record_words(record: AuditRecord) -> tuple[int, str]:
    """Return the level and the words for a record."""
    what, target = record.action.capitalize(), f'"{clean(record.target)}"'
    peer, id_ = f'"{clean(record.peer)}"', f"id={clean(record.id)}"
    if record.event == "denied":
        why = f": {clean(record.rule)}" if record.rule else ""
        return logging.WARNING, f"{what} request denied: {target} from={peer} ({id_}){why}"
    if record.event == "approval":
        outcome = clean(record.outcome or "")
        return logging.INFO, f"{what} approval: {target} for={peer} ({id_}) {outcome}".rstrip()
    if record.event == "opened":
        return logging.INFO, f"{what} opened: {target} by={peer} ({id_})"
    if record.event == "begin":
        if record.caller:
            return logging.INFO, f"{what} invoke: {target} -> node {peer} ({id_})"
        return logging.INFO, f"{what} request: {target} from={peer} ({id_})"
    return _end_words(record, what, target, peer, id_)


def _end_words(record: AuditRecord, what: str, target: str, peer: str, id_: str) -> tuple[int, str]:
    outcome = record.outcome or "success"
    good = outcome in SUCCESS
    told = "success" if good else f"failed: {clean(outcome)}"
    took = "" if record.duration is None else f" ({record.duration:.3f} s)"
    if record.caller:
        level = logging.INFO if good else logging.WARNING
        return level, f"{what} response: {target} {id_} from={peer} {told}{took}"
    level = logging.INFO if good else logging.ERROR
    return level, f"{what} executed: {target} {id_} {told}{took}"
