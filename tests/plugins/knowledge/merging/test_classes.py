"""How files merge."""

from __future__ import annotations

import pytest

from clawmatrix_knowledge.merging.classes import TEXT_BYTES, MergeClasses, is_text, stricter

CLASSES = MergeClasses(union=["todo/*.md"], strict=["AGENTS.md"], lines=["*.cfg"])


@pytest.mark.parametrize(
    ("path", "merges"),
    [
        ("MEMORY.md", "union"),
        ("memory/2026-11-30.md", "union"),
        ("x/app.log", "union"),
        ("todo/today.md", "union"),
        ("notes/plan.md", "lines"),
        ("x.cfg", "lines"),
        ("AGENTS.md", "strict"),
        ("code.py", "strict"),
    ],
)
def test_the_path_decides(path: str, merges: str) -> None:
    assert CLASSES.of(path, text=True) == merges
    assert CLASSES.of(path, text=False) == "binary"


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        ([], True),
        ([b"a\r\nb"], True),
        (["é".encode()[:1], "é".encode()[1:]], True),
        (["😀".encode()[:3], "😀".encode()[3:], b"x"], True),
        (["é".encode()[:1]], False),
        ([b"a\0b"], False),
        ([b"\xff\xfe"], False),
        ([b"x" * TEXT_BYTES], True),
        ([b"x" * TEXT_BYTES, b"x"], False),
    ],
)
def test_text_is_utf_8_without_nul_and_not_large(parts: list[bytes], text: bool) -> None:
    assert is_text(parts) is text


def test_of_two_classes_the_stricter_counts() -> None:
    assert stricter(["union", "strict", "lines"]) == "strict"
