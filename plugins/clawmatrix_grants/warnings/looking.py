"""All that ``config check`` and ``doctor`` look at in the tables of the grants."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from clawmatrix_core import Beside
from clawmatrix_grants import hookspecs
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.expectations import ExpectationsConfig, failed_expectations
from clawmatrix_grants.policy import TABLE
from clawmatrix_grants.tool_shapes import ToolShape
from clawmatrix_grants.warnings.commands import warn_of_commands
from clawmatrix_grants.warnings.folders import warn_of_folders, warn_of_rootless
from clawmatrix_grants.warnings.shadows import warn_of_ended, warn_of_nobody, warn_of_shadows
from clawmatrix_grants.warnings.strange import warn_of_strange

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_core import Node
    from clawmatrix_grants.warnings.entries import Path, Warned

__all__ = ["check_expectations", "failures_of", "warn_of_grants"]


def check_expectations(tests: ExpectationsConfig, beside: Beside) -> Iterator[tuple[Path, str]]:
    """Yield the tests that fail; see ``ConfigSection.check``."""
    if not tests.tests:
        return
    if not beside.config.has_table(TABLE):
        yield (), f"there is no table [{TABLE}] that they could be about"
        return
    shapes = beside(hookspecs.register_tool_shapes, ToolShape) or ()
    yield from failed_expectations(beside.config.section(GrantsConfig), tests, shapes)


def failures_of(node: Node) -> Sequence[tuple[Path, str]]:
    """Return the tests that fail by the tables of a node that runs; see ``check_expectations``."""
    beside = Beside(node.hooks.registered, node.config)
    return list(check_expectations(node.config.section(ExpectationsConfig), beside))


def warn_of_grants(config: GrantsConfig, beside: Beside) -> Iterator[Warned]:
    """Yield what is allowed and probably not meant; see ``ConfigSection.warn``."""
    now = time.time()
    yield from warn_of_ended(config, now)
    yield from warn_of_nobody(config)
    yield from warn_of_shadows(config, now)
    shapes = beside(hookspecs.register_tool_shapes, ToolShape) or ()
    yield from warn_of_strange(config, shapes, now)
    yield from warn_of_rootless(config, shapes, now)
    yield from warn_of_folders(config, shapes, now)
    yield from warn_of_commands(config, shapes, now)
