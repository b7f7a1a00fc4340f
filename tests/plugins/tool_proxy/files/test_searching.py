"""The tool ``search``: what is found, and that no pattern of a caller holds anybody up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clawmatrix_tool_proxy.api import ToolError
from clawmatrix_tool_proxy.files import matching, pieces
from clawmatrix_tool_proxy.files.globs import PATTERN, Glob
from clawmatrix_tool_proxy.files.matcher import SHOWN, excerpt
from clawmatrix_tool_proxy.files.matching import Expression, PlainText
from clawmatrix_tool_proxy.files.paths import RootPath
from clawmatrix_tool_proxy.files.searching import MATCHES, Search
from clawmatrix_tool_proxy.files.tree import Tree
from tests.plugins.tool_proxy.files.helpers import Place, as_ordinary_user, code_of

if TYPE_CHECKING:
    from clawmatrix_tool_proxy.files.matching import Finder


def search(
    place: Place,
    finder: Finder | str,
    path: str = "code",
    *,
    glob: str | None = None,
    ignored: bool = False,
    most: int = 100,
    size: int = 10**6,
) -> tuple[list[str], Any]:
    tree = Tree(9, 1.0, lambda: 0.0, ignored=ignored)
    names = None if glob is None else Glob.parse(glob)
    finder = PlainText.of(finder) if isinstance(finder, str) else finder
    work = Search(place.roots, RootPath.parse(path), tree, finder, most, size, names)
    return b"".join(work).decode().splitlines(), work.facts


@pytest.fixture
def texts(place: Place) -> Place:
    (place.code / "b").mkdir()
    (place.code / "a.py").write_text("import os\r\n\r\ndef grün():\r\n    os.x\r\n")
    (place.code / "b" / "c.md").write_text("os\nnot\nos and OS")
    (place.code / "d.png").write_bytes(b"os\0os\n")
    (place.code / ".git").mkdir()
    (place.code / ".git" / "x").write_text("os")
    (place.code / "out").write_text("os")
    (place.code / ".gitignore").write_text("out\n")
    return place


WANTED = [
    "code/a.py:1: import os",
    "code/a.py:4:     os.x",
    "code/b/c.md:1: os",
    "code/b/c.md:3: os and OS",
]


@pytest.mark.parametrize("kind", ["text", "expression"])
def test_lines_are_found_with_their_numbers(texts: Place, kind: str) -> None:
    lines, facts = search(texts, "os" if kind == "text" else Expression("o[s]"))
    assert lines == WANTED
    assert facts == {"matches": 4, "files": 2, "searched": 3, "binary": 1, "cut": None}


def test_case_is_ignored_on_request(texts: Place) -> None:
    assert search(texts, Expression("GRÜN", ignore_case=True))[0] == ["code/a.py:3: def grün():"]
    assert search(texts, Expression("GRÜN"))[0] == []


def test_files_are_chosen(texts: Place) -> None:
    assert search(texts, "os", glob="*.md")[0] == WANTED[2:]
    assert search(texts, "os", "code/b")[0] == WANTED[2:]
    assert search(texts, "os", "code/a.py")[0] == WANTED[:2]
    assert search(texts, "os", "code/out")[0] == ["code/out:1: os"], "it was asked for"
    assert "code/.git/x:1: os" in search(texts, "os", ignored=True)[0]
    assert search(texts, "os", "code/.git")[0] == ["code/.git/x:1: os"]
    assert code_of(lambda: search(texts, "os", "code/none")) == "not_found"


def test_no_match_is_a_result(texts: Place) -> None:
    lines, facts = search(texts, "nowhere")
    assert (lines, facts["matches"], facts["cut"]) == ([], 0, None)


def test_what_cannot_be_read_is_counted(place: Place) -> None:
    place.code.chmod(0o755)
    (place.code / "a").write_text("os")
    (place.code / "a").chmod(0o600 if os.geteuid() == 0 else 0)
    (place.code / "b").write_text("os")
    os.mkfifo(place.code / "pipe")
    (place.code / "link").symlink_to(place.outside / "secret.txt")
    with as_ordinary_user():
        lines, facts = search(place, "o")
    assert lines == ["code/b:1: os"]
    assert facts["closed"] == 1


@pytest.mark.bound("clawmatrix_tool_proxy.files.searching.MATCHES")
@pytest.mark.parametrize("kind", ["text", "expression"])
def test_a_search_that_is_cut_says_so(place: Place, kind: str) -> None:
    (place.code / "a").write_text("os\n" * (MATCHES + 5))
    lines, facts = search(place, "os" if kind == "text" else Expression("os"), most=MATCHES)
    assert (len(lines), facts["matches"], facts["cut"]) == (MATCHES, MATCHES, "matches")


def test_output_that_is_too_large_ends_with_a_line(place: Place) -> None:
    (place.code / "a").write_text("os\n" * 100)
    lines, facts = search(place, "os", size=100)
    assert lines == [f"code/a:{n}: os" for n in range(1, 8)]
    assert (facts["matches"], facts["cut"]) == (7, "output")


def test_a_search_ends_when_its_time_is_over(place: Place) -> None:
    for n in range(20):
        (place.code / f"{n:02d}").write_text("os")
    times = iter(range(1000))
    tree = Tree(9, 10.0, lambda: float(next(times)))
    work = Search(place.roots, RootPath("code"), tree, PlainText.of("os"), 100, 10**6)
    assert 0 < len(b"".join(work).splitlines()) < 15
    assert work.facts["cut"] == "time"


def test_lines_over_the_pieces_of_a_file_are_counted_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "PIECE", 100)
    (place.code / "a").write_text("".join(f"line {n}\n" for n in range(1, 1000)))
    lines, _ = search(place, "line 777")
    assert lines == ["code/a:777: line 777"]


def test_a_long_line_is_shown_around_the_match(place: Place) -> None:
    (place.code / "a").write_text("x" * 10_000 + "needle" + "y" * 10_000)
    for finder in (PlainText.of("needle"), Expression("needle")):
        [line], _ = search(place, finder)
        text = line.removeprefix("code/a:1: ")
        assert len(text) == SHOWN + 2
        assert text.startswith("…x")
        assert text.endswith("y…")
        assert "needle" in text


@given(st.text(max_size=900), st.integers(0, 900))
def test_an_excerpt_is_a_part_with_what_matches(line: str, start: int) -> None:
    at = min(start, max(len(line) - 1, 0))
    text = excerpt(line, at)
    assert text.strip("…") in line or "…" in line
    assert len(text) <= SHOWN + 2
    assert line[at : at + 1] in text


@given(
    st.lists(st.sampled_from(["a", "ab", "b", "", "ä", "\r", "aa"]), max_size=8).map("\n".join),
    st.sampled_from(["a", "ab", "ä", "aa"]),
    st.integers(1, 4),
)
def test_a_text_is_found_where_python_finds_it(text: str, needle: str, most: int) -> None:
    wanted = [(n, line.rstrip("\r")) for n, line in enumerate(text.split("\n")) if needle in line]
    assert PlainText.of(needle).find(text.encode(), most) == wanted[:most]


CATASTROPHIC = [r"(a+)+$", r"(a|a)*b", r"(.*a){25}", r"^(([a-z])+.)+[A-Z]([a-z])+$"]


@pytest.mark.bound("clawmatrix_tool_proxy.files.matching.PATTERN_SECONDS")
@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_a_catastrophic_pattern_ends_with_its_process(
    place: Place, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.setattr(matching, "PATTERN_SECONDS", 0.3)
    (place.code / "a").write_text("a" * 60 + "!\n")
    finder = Expression(pattern)
    before = time.monotonic()
    with pytest.raises(ToolError, match=r"^code/a: the pattern takes more than") as caught:
        search(place, finder)
    assert caught.value.code == "slow_pattern"
    assert time.monotonic() - before < 5
    assert finder.process is not None
    assert finder.process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "pattern", ["(", "[", "*", "(?P<a>", "a{99999999999}", r"\1", "(" * 900 + ")" * 900]
)
def test_what_is_no_expression_is_an_error(place: Place, pattern: str) -> None:
    finder = Expression(pattern)
    assert code_of(lambda: search(place, finder)) == "bad_pattern"


@pytest.mark.parametrize("pattern", ["", "a\nb", "a" * (PATTERN + 1)])
def test_what_is_no_text_to_search_for_is_an_error(pattern: str) -> None:
    assert code_of(lambda: PlainText.of(pattern)) == "bad_pattern"
    if "\n" not in pattern:
        assert code_of(lambda: Expression(pattern * 2)) == "bad_pattern"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps to the limit")
def test_an_expression_that_wants_much_memory_ends_with_its_process(place: Place) -> None:
    (place.code / "a").write_text("a" * 1_000_000)
    finder = Expression("(?:(a)" + "(b)?" * 20 + ")*c")
    with pytest.raises(ToolError, match="too much memory") as caught:
        search(place, finder)
    assert caught.value.code == "slow_pattern"


def test_the_process_has_nothing_of_the_node(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAWMATRIX_TEST_SECRET", "s" * 40)
    if not Path("/proc/self/fd").exists():
        pytest.skip("there is no /proc")
    with Expression("a") as finder:
        assert finder.process is not None
        proc = Path(f"/proc/{finder.process.pid}")
        assert b"CLAWMATRIX" not in (proc / "environ").read_bytes()
        assert sorted(os.listdir(proc / "fd")) == ["0", "1", "2"]
        assert os.readlink(proc / "cwd") == "/"


KILLED = """
from clawmatrix_tool_proxy.files import matching
matching.GONE = 1
with matching.Expression("(a+)+$") as finder:
    print(finder.process.pid, flush=True)
    finder.find(b"a" * 60 + b"!", 1)
"""


def test_the_process_ends_by_itself_when_the_node_is_killed() -> None:
    command = [sys.executable, "-c", KILLED]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as node:
        assert node.stdout is not None
        pid = int(node.stdout.readline())
        node.kill()
    assert gone(pid)


def gone(pid: int) -> bool:
    ends_at = time.monotonic() + 5
    while time.monotonic() < ends_at:
        try:
            os.kill(pid, 0)
            if " Z" in Path(f"/proc/{pid}/stat").read_text():
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
    return False


def test_python_finds_the_same(texts: Place) -> None:
    for pattern in ("o", "^os", "os$", r"\bos\b", "x|and", "."):
        lines, _ = search(texts, Expression(pattern), "code/b/c.md")
        text = (texts.code / "b" / "c.md").read_text().split("\n")
        assert lines == [
            f"code/b/c.md:{n}: {line}" for n, line in enumerate(text, 1) if re.search(pattern, line)
        ]
