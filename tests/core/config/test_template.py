"""Templates of tables, and the values that go into them."""

from __future__ import annotations

import tomllib

import pytest

from clawmatrix_core.config.template import fill_template, toml_value

LOFT = """\
[loft]
# Where the pigeons live.
# place = "roof"
# Their names.
# names = ["a"]
"""


def test_a_value_takes_the_place_of_the_commented_line() -> None:
    filled = fill_template(LOFT, {"names": ("b", "c"), "place": r"\1 cellar"}, "loft")
    assert filled == LOFT.replace('# place = "roof"', r'place = "\\1 cellar"').replace(
        '# names = ["a"]', 'names = ["b", "c"]'
    )


@pytest.mark.parametrize("nothing", [None, (), []])
def test_nothing_leaves_the_template_as_it_is(nothing: object) -> None:
    assert fill_template(LOFT, {"place": nothing, "owner": nothing}, "loft") == LOFT


def test_a_value_that_the_template_does_not_show_goes_to_its_end() -> None:
    assert fill_template(LOFT, {"owner": "jo"}, "loft") == f'{LOFT}owner = "jo"\n'
    assert fill_template("", {"owner": "jo", "place": "x"}, "loft") == (
        '[loft]\nowner = "jo"\nplace = "x"\n'
    )


def test_any_text_can_be_read_back() -> None:
    text = 'q"\\ \x7f\n é'
    assert tomllib.loads(f"a = {toml_value([text])}") == {"a": [text]}
    with pytest.raises(TypeError, match="text and lists"):
        toml_value(3)
