"""The words for how much of an answer is kept back."""

from __future__ import annotations

import pytest

from clawmatrix_model_proxy.hold import LIVE, Hold, parse_hold


@pytest.mark.parametrize(
    ("text", "hold"),
    [
        ("off", LIVE),
        ("Live", LIVE),
        (" whole ", Hold(whole=True)),
        ("5s", Hold(seconds=5.0)),
        ("0.5 S", Hold(seconds=0.5)),
        ("86400s", Hold(seconds=86_400.0)),
        ("1 token", Hold(tokens=1)),
        ("200 tokens", Hold(tokens=200)),
    ],
)
def test_the_words_are_read(text: str, hold: Hold) -> None:
    assert parse_hold(text) == hold
    assert str(parse_hold(str(hold))) == str(hold)


@pytest.mark.parametrize("unit", ["s", " tokens"])
@pytest.mark.parametrize(
    "number",
    ["9" * 309, "9" * 5000, "-1", "+1", "nan", "inf", "1e3", "1_0", "0x1", "\u0665", "\u00b2", "."],
)
def test_a_number_that_is_none_or_huge_is_refused(number: str, unit: str) -> None:
    with pytest.raises(ValueError, match=r"is not one of|at most"):
        parse_hold(number + unit)
