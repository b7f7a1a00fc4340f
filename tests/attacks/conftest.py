"""The lab, and what every attack has in common."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.attacks.lab import Lab, running_lab
from tests.integration.conftest import make_node, upstream
from tests.plugins.model_proxy.conftest import upstreaming

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.integration.conftest import NodeProcess, UpstreamProcess

__all__ = ["Labs", "lab", "labs", "make_node", "upstream", "upstreaming"]


class Labs(Protocol):
    """Runs a lab with more in the configurations of two of its nodes."""

    def __call__(self, *, hub: str = "", office: str = "") -> AbstractContextManager[Lab]:
        """See ``running_lab``."""


@pytest.fixture
def labs(
    make_node: Callable[[str, str], NodeProcess],
    upstream: UpstreamProcess,
    tmp_path: Path,
) -> Labs:
    """Return what runs a lab."""
    if sys.platform != "linux":
        pytest.skip("memory and processor time are read from /proc")
    return partial(running_lab, make_node, upstream, tmp_path)


@pytest.fixture
def lab(labs: Labs) -> Iterator[Lab]:
    """Run a lab."""
    with labs() as running:
        yield running
