"""What is said of the addresses that a node advertises."""

from __future__ import annotations

import pytest

from clawmatrix_core.doctor.running import run_checks
from clawmatrix_mesh.checks.advertised import advertised_checks
from clawmatrix_mesh.config import MeshConfig

pytestmark = pytest.mark.anyio


async def test_an_address_that_no_node_dials_is_a_problem_without_its_password() -> None:
    config = MeshConfig(advertise=("ws://me:hunter2@a.example:1", "wss://a.example:19000/mesh"))
    bad, good = await run_checks(advertised_checks(config))
    assert (bad.name, bad.status) == ("mesh.advertise", "problem")
    assert "no node dials it: an advertised address has no user and password" in bad.detail
    assert "hunter2" not in bad.detail
    assert good.status == "ok"


async def test_a_node_that_advertises_nothing_is_not_checked() -> None:
    assert advertised_checks(MeshConfig()) == []
