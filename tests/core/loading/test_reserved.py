"""Tests of the types of frames that the core keeps for itself."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_core.loading.contributions import frame_types
from clawmatrix_core.loading.reserved import wrong_frame_types


@pytest.mark.parametrize("type_", ["data", "cancel", "session_open", "session_x", "", 5, None])
def test_types_that_no_plugin_gets(type_: Any) -> None:
    @frame_types("fine", type_)
    def frame_received(frame: object) -> None: ...

    assert wrong_frame_types(frame_received) == repr(type_)


def test_types_that_plugins_get() -> None:
    @frame_types("ping", "undeliverable", "dice_req")
    def frame_received(frame: object) -> None: ...

    assert wrong_frame_types(frame_received) == ""
    assert wrong_frame_types(len) == ""
