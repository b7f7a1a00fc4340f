"""The connections that were refused last are remembered, a bounded number of them."""

from __future__ import annotations

import pytest

from clawmatrix_mesh.links.admission import REMEMBERED, RefusedConnections


@pytest.mark.bound("clawmatrix_mesh.links.admission.REMEMBERED")
def test_refused_connections_that_are_remembered_are_bounded() -> None:
    refused = RefusedConnections()
    for number in range(3 * REMEMBERED):
        refused.add(f"10.0.0.{number}:7", "bad_preamble", "no preamble", number)
        refused.add("10.9.9.9:7", "bad_preamble", "no preamble", number)
    latest = list(refused.latest())
    assert len(latest) == REMEMBERED
    assert (latest[0].remote, latest[0].count) == ("10.9.9.9:7", 3 * REMEMBERED)
