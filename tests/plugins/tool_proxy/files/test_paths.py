"""Paths of tools: each has one spelling, and a malformed one gets a reason."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from clawmatrix_tool_proxy.api import ToolError
from clawmatrix_tool_proxy.files.paths import ROOT_NAME, RootPath, canonical_path, is_fit, shown
from tests.plugins.tool_proxy.files.helpers import code_of


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("code/src/a.py", "code/src/a.py"),
        ("code//src/./a.py/", "code/src/a.py"),
        ("./code/a", "code/a"),
        ("code", "code"),
        ("code/", "code"),
        ("code/.hidden/...", "code/.hidden/..."),
        ("code/Größe und größer.txt", "code/Größe und größer.txt"),
        ("code/a:b", "code/a:b"),
        ("code/~", "code/~"),
    ],
)
def test_a_path_is_written_in_one_way(text: str, whole: str) -> None:
    assert canonical_path(text) == whole
    assert canonical_path(whole) == whole


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "begins with the name of a root"),
        (".", "begins with the name of a root"),
        ("/etc/passwd", "not with a slash"),
        ("//code/a", "not with a slash"),
        ("code/../a", 'has no ".."'),
        ("code/a/..", 'has no ".."'),
        ("..", 'has no ".."'),
        ("code/a\0b", "without control characters"),
        ("code/a\nb", "without control characters"),
        ("code/\x85", "without control characters"),
        ("code/\u202etxt.exe", "without control characters"),
        ("code/\udcff", "UTF-8 text"),
        ("code\\a", "no backslashes"),
        ("C:\\Users", "no backslashes"),
        ("C:/Users", "not with a drive"),
        ("c:", "not with a drive"),
        ("~/code", "small letters"),
        ("Code/a", "small letters"),
        ("-code/a", "small letters"),
        ("\uff43ode/a", "small letters"),
        (f"{'r' * 33}/a", "small letters"),
        (f"code/{'ä' * 128}", "a name has at most 255 bytes"),
        ("code" + "/aaaaaaa" * 512, "a path has at most 4096 bytes"),
    ],
)
def test_what_is_no_path_gets_a_reason(text: str, why: str) -> None:
    with pytest.raises(ToolError, match=why) as caught:
        canonical_path(text)
    assert caught.value.code == "bad_path"
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


PARTS = st.sampled_from(
    [
        "code",
        "a",
        ".",
        "..",
        "",
        "b c",
        ".git",
        "C:",
        "~",
        "é",
        "\0",
        "\n",
        "\\",
        "\udc80",
        "x" * 256,
    ]
)
TEXTS = st.lists(PARTS, max_size=6).map("/".join) | st.text(max_size=30)


def naive(text: str) -> str | None:
    """Return what the path means to somebody who knows nothing but what a path is."""
    if text.startswith("/") or ".." in text.split("/") or not is_fit(text):
        return None
    whole = posixpath.normpath(text) if text else ""
    parts = whole.split("/")
    if not ROOT_NAME.fullmatch(parts[0]) or any(len(part.encode()) > 255 for part in parts):
        return None
    return whole


@given(TEXTS)
@example("code/..")
@example("code/./")
def test_any_text_is_what_a_naive_reader_takes_it_for(text: str) -> None:
    if (whole := naive(text)) is None:
        assert code_of(lambda: canonical_path(text)) == "bad_path"
    else:
        assert canonical_path(text) == whole
        assert canonical_path(whole) == whole
        assert RootPath.parse(whole) == RootPath.parse(text)


@given(st.binary(min_size=1, max_size=20))
def test_any_name_on_disk_is_shown_and_only_a_fit_one_is_a_path(name: bytes) -> None:
    text = name.replace(b"/", b"_").replace(b"\0", b"_").decode(errors="surrogateescape")
    told = shown(text)
    assert told.encode().isascii() or told.encode().decode()
    assert (told == text) == is_fit(text)
    assert is_fit(text) or "\\" in told
