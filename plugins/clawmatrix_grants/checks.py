"""What the doctor says of the grants: whether each counts for the key that its node has here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core import Check, Finding, is_node_id
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.key_views import KeysAtRest
from clawmatrix_grants.policy import TABLE, table_place
from clawmatrix_grants.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_core import Config, Node

__all__ = ["grants_check"]


def grants_check(config: Config, node: Node | None) -> list[Check]:
    """Return what looks at the nodes that something is granted to; nothing without a table."""
    if not config.has_table(TABLE):
        return []

    async def look() -> Sequence[Finding]:
        return list(_look(_report(config, node), config.section(GrantsConfig)))

    return [Check("grants", look)]


def _report(config: Config, node: Node | None) -> Report:
    if node is not None:
        return Report.of_node(node)
    return Report(config, KeysAtRest(config.state_dir))


def _look(report: Report, table: GrantsConfig) -> Iterator[Finding]:
    count = 0
    for name, grant in table.grants.items():
        for peer in [str(name)] if is_node_id(name) else grant.nodes or ():
            if (why := report.why_not(peer, grant.key)) is None:
                count += 1
            else:
                yield Finding("grants", "warning", f"{table_place(name)}: only denies count: {why}")
    counting = "1 grant to a node counts" if count == 1 else f"{count} grants to nodes count"
    yield Finding("grants", "ok", f"{counting} for the keys known here")
