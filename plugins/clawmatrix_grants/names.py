"""What the tables and the state file of the grants are called."""

from __future__ import annotations

from typing import Final

__all__ = ["APPROVALS_TABLE", "STATE", "TABLE", "TESTS_TABLE"]

TABLE: Final = "grants"
TESTS_TABLE: Final = "grants-tests"
APPROVALS_TABLE: Final = "approvals"

STATE: Final = "approvals"
"""The state file that the approvals are in.

It is not declared to the core: a node whose state file is damaged does not start, and one whose
approvals are gone asks people again.
"""
