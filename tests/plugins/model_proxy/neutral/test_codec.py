"""Errors of upstreams in words that all APIs know."""

from __future__ import annotations

import pytest

from clawmatrix_model_proxy.neutral.codec import ErrorWords


@pytest.mark.parametrize(
    "error",
    [
        "no memory left",
        {"message": "no memory left"},
        {"detail": [{"msg": "no memory left"}]},
        {"error_msg": "no memory left", "error_code": 336},
    ],
)
def test_the_words_of_an_error_stay_in_whichever_shape_they_are(error: object) -> None:
    assert ErrorWords.of(error).message == "no memory left"


def test_an_error_without_words_has_some() -> None:
    assert ErrorWords.of({"type": "x"}).message == "the upstream's answer is an error"
