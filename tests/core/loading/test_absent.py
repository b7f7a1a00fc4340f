"""Why a plugin's method or command is not there."""

from __future__ import annotations

import pytest

from clawmatrix_core.loading.absent import why_absent
from clawmatrix_core.loading.plugin_info import PluginInfo

ACTIVE = PluginInfo("mesh", state="active")
FAILED = PluginInfo("notebook", state="failed", reason="did not start: no paper")
OFF = PluginInfo("dice", state="disabled", reason="disabled in the configuration")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("notebook.list", "the plugin notebook has failed: did not start: no paper"),
        ("notebook", "the plugin notebook has failed: did not start: no paper"),
        ("dice.rolls", "the plugin dice is disabled: disabled in the configuration"),
        ("other", "the plugin notebook has failed: did not start: no paper"),
        ("mesh.other", "the plugin notebook has failed: did not start: no paper"),
    ],
)
def test_the_plugin_is_named_with_the_reason(name: str, told: str) -> None:
    words = why_absent([ACTIVE, FAILED, OFF], name)
    assert words == f"; {told} (see `clawmatrix plugins list`)"


def test_where_all_plugins_work_nothing_is_said() -> None:
    assert why_absent([ACTIVE, OFF], "other") == ""
