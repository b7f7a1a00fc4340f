"""Two folders kept the same by two of our nodes, beside Syncthing's ways and Unison's.

``python -m tests.benchmarks.bench_knowledge --out results.json``

Each system is measured in turn, on the same disk, with every file on it before it counts: our
nodes are ``clawmatrix run`` with all built-in plugins; Syncthing has its defaults, with discovery,
NAT and reports off, and its watcher's shortest delay, 1 s. Unison brings two folders of one machine
together without a network and without putting them on the disk: its figures are a floor. The far
end runs already; a first sync begins when the near end, which has the files, is started, and ends
when the last file is there. Bytes on the wire are those of the loopback interface, with their
headers; through a relay they count twice.

Syncthing, its relay and Unison come from Debian: ``apt-get install syncthing syncthing-relaysrv
unison``. What is not installed is left out, and named.
"""

from __future__ import annotations

import contextlib
import random
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs

from tests.benchmarks.harness import Report, compare, interleave, options, versions
from tests.benchmarks.knowledge_ends import (
    OURS,
    SYNCTHING,
    SYSTEMS,
    UNISON,
    Ends,
    missing,
    unison,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.benchmarks.processes import Child

MIB: Final = 1024**2
LIMIT: Final = 900.0
"""Seconds after which a sync that does not end is given up."""
_LARGE: Final = "large.bin"
_WIRE: Final = Path("/sys/class/net/lo/statistics/tx_bytes")


@attrs.frozen
class Sizes:
    """How much is synced.

    Attributes:
        files: small files of a first sync.
        large: bytes of the one large file.
        edits: edits, one after another.
        idle: seconds in which nothing is done.
    """

    files: int = 1000
    large: int = 128 * MIB
    edits: int = 20
    idle: float = 60.0


TINY: Final = Sizes(files=20, large=2 * MIB, edits=2, idle=1.0)


@attrs.define
class Figures:
    """What one round of one system took: seconds, MB, and parts of a core."""

    first: float
    wire: float
    edit: float
    idle: float
    memory: float
    restart: float


# --- the folders


def fill(root: Path, files: int, seed: int) -> None:
    """Write small text files of 1 to 4 KiB, 100 to a folder."""
    draw = random.Random(seed)
    for number in range(files):
        folder = root / f"folder{number // 100:03}"
        folder.mkdir(exist_ok=True)
        words = f"note {number} of {seed}, {draw.random()}\n"
        size = draw.randint(1024, 4096)
        (folder / f"note{number:05}.md").write_text((words * (size // len(words) + 1))[:size])


def fill_large(root: Path, size: int, seed: int) -> None:
    """Write one file that nothing makes smaller."""
    draw = random.Random(seed)
    with (root / _LARGE).open("wb") as out:
        for _ in range(size // MIB):
            out.write(draw.randbytes(MIB))


def _count(root: Path) -> int:
    """Return how many files have come."""
    return sum(1 for path in root.glob("*/note*.md") if not path.name.startswith("."))


def _until(is_there: Callable[[], bool], pause: float, began: float) -> float:
    """Look again and again; return the seconds since it began."""
    while not is_there():
        if time.monotonic() > began + LIMIT:
            raise TimeoutError(f"not there within {LIMIT:.0f} s")
        time.sleep(pause)
    return time.monotonic() - began


def _has(path: Path, size: int) -> bool:
    try:
        return path.stat().st_size == size
    except FileNotFoundError:
        return False


def _check(ends: Ends) -> None:
    """Raises: AssertionError, where the folders differ."""
    for path in ends.roots[0].rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.parts):
            other = ends.roots[1] / path.relative_to(ends.roots[0])
            assert path.read_bytes() == other.read_bytes(), path


# --- one round


@contextlib.contextmanager
def _ends(system: str, *, relayed: bool = False) -> Iterator[Ends]:
    with tempfile.TemporaryDirectory(prefix="cmx-bench-") as folder:
        yield SYSTEMS[system](Path(folder), relayed=relayed)


def _round(system: str, sizes: Sizes, seed: int) -> Figures:
    """Sync small files at first, then edits, rest, and start anew."""
    with _ends(system) as ends:
        fill(ends.roots[0], sizes.files, seed)
        with ends.running() as processes:
            first, wire = _first(ends, processes, sizes.files)
            edit = statistics.median(_edit(ends, number) for number in range(sizes.edits))
            time.sleep(min(5.0, sizes.idle))
            before, began = _cpu(processes), time.monotonic()
            time.sleep(sizes.idle)
            idle = (_cpu(processes) - before) / (time.monotonic() - began) / len(processes)
            memory = statistics.mean(one.memory()["pss"] for one in processes)
        _check(ends)
        restart = _restart(ends)
    return Figures(first, wire, edit, idle * 100, memory, restart)


def _first(ends: Ends, processes: Sequence[Child], files: int) -> tuple[float, float]:
    """Return the seconds until all files are there, and the MB that went over the wire."""
    wire, pause = int(_WIRE.read_text()), max(0.01, files / 50_000)
    began = processes[0].started
    took = _until(lambda: _count(ends.roots[1]) >= files, pause, began)
    return took, (int(_WIRE.read_text()) - wire) / 1e6


def _edit(ends: Ends, number: int) -> float:
    """Add a line to a note; return the seconds until it is on the other side."""
    time.sleep(0.3)
    name = "folder000/note00000.md"
    with (ends.roots[0] / name).open("a") as out:
        out.write(f"line {number}\n")
        size = out.tell()
    return _until(lambda: _has(ends.roots[1] / name, size), 0.001, time.monotonic())


def _restart(ends: Ends) -> float:
    """Start anew; return the seconds until an edit that was made meanwhile is there."""
    name = "folder000/note00001.md"
    with (ends.roots[0] / name).open("a") as out:
        out.write("once more\n")
        size = out.tell()
    with ends.running() as processes:
        began = processes[0].started
        return _until(lambda: _has(ends.roots[1] / name, size), 0.002, began)


def _cpu(processes: Sequence[Child]) -> float:
    return sum(one.cpu_of_all() for one in processes)


def _large(system: str, size: int, seed: int, *, relayed: bool) -> float:
    """Return the seconds until one large file is on the other side."""
    with _ends(system, relayed=relayed) as ends:
        fill_large(ends.roots[0], size, seed)
        with ends.running() as processes:
            began = processes[0].started
            took = _until(lambda: _has(ends.roots[1] / _LARGE, size), 0.01, began)
        _check(ends)
        return took


def _relayed(system: str, files: int, seed: int) -> float:
    with _ends(system, relayed=True) as ends:
        fill(ends.roots[0], files, seed)
        with ends.running() as processes:
            took, _ = _first(ends, processes, files)
        _check(ends)
        return took


def _unison(files: int, seed: int) -> tuple[float, float]:
    """Return the seconds of a first run of Unison, and of one with nothing to do."""
    with tempfile.TemporaryDirectory(prefix="cmx-bench-") as folder:
        roots = Path(folder) / "home", Path(folder) / "office"
        for root in roots:
            root.mkdir()
        fill(roots[0], files, seed)
        found = []
        for _ in range(2):
            began = time.monotonic()
            unison(Path(folder), roots)
            found.append(time.monotonic() - began)
        return found[0], found[1]


# --- the report


def _measure(report: Report, sizes: Sizes, rounds: int, systems: Sequence[str]) -> None:
    found: dict[str, list[Figures]] = {name: [] for name in systems}
    for number in range(rounds):
        for name in list(systems)[:: -1 if number % 2 else 1]:
            found[name].append(_round(name, sizes, number))
    words = f"first sync of {sizes.files:,} files"
    rows = (
        ("first", words, "s", "<= 1"),
        ("wire", f"{words}, on the wire", "MB", None),
        ("edit", f"an edit, until it is on the other side, median of {sizes.edits}", "s", "<= 0.2"),
        ("restart", "started anew, until an edit is on the other side", "s", None),
        ("idle", "processor while nothing is done, of one end", "% of a core", None),
        ("memory", "memory of an end, all processes, PSS", "MB", "<= 1.5"),
    )
    for field, measure, unit, target in rows:
        ours, peer = ([getattr(one, field) for one in found.get(n, ())] for n in (OURS, SYNCTHING))
        target = "< 1" if field == "idle" else target
        _add(report, measure, unit, ours, peer, target)


def _add(
    report: Report,
    measure: str,
    unit: str,
    ours: Sequence[float],
    peer: Sequence[float],
    target: str | None = None,
    *,
    peer_name: str = SYNCTHING,
) -> None:
    wanted = target if peer or unit.startswith("%") else None
    name = peer_name if peer else None
    report.add(compare(measure, unit, "lower", ours, peer, peer_name=name, target=wanted))


def _measure_others(report: Report, sizes: Sizes, rounds: int, systems: Sequence[str]) -> None:
    large, files = f"one file of {sizes.large // MIB:,} MiB", f"{sizes.files:,} files"
    ways: dict[str, tuple[Callable[..., float], str | None]] = {
        f"first sync of {large}": (partial(_large, size=sizes.large, relayed=False), "<= 1"),
        f"first sync of {large}, relayed": (partial(_large, size=sizes.large, relayed=True), None),
        f"first sync of {files}, relayed": (partial(_relayed, files=sizes.files), None),
    }
    for measure, (case, target) in ways.items():
        found = interleave({name: partial(case, name, seed=7) for name in systems}, rounds)
        _add(report, measure, "s", found[OURS], found.get(SYNCTHING, ()), target)


def _measure_unison(report: Report, sizes: Sizes, rounds: int) -> None:
    """Put Unison's runs beside the figures of ours that are nearest to them."""
    if missing(UNISON):
        return
    found = [_unison(sizes.files, number) for number in range(rounds)]
    for place, words in enumerate((f"first sync of {sizes.files:,} files", "nothing to do")):
        measure = f"{UNISON}, two folders of one machine, {words}"
        report.add(compare(measure, "s", "lower", [one[place] for one in found]))


def main() -> None:
    """Run the benchmark."""
    parser = options("Two folders that are kept the same.", rounds=5)
    parser.add_argument("--files", type=int, help="small files of a first sync")
    parser.add_argument("--large", type=int, help="MiB of the large file; 1024 is what is promised")
    parser.add_argument("--idle", type=float, help="seconds in which nothing is done")
    parser.add_argument("--no-peer", action="store_true", help="measure only our own nodes")
    parser.add_argument("--only-small", action="store_true", help="without the large, no relay")
    given = parser.parse_args()
    sizes = TINY if given.tiny else Sizes()
    asked = {"files": given.files, "idle": given.idle}
    asked["large"] = given.large * MIB if given.large else None
    sizes = attrs.evolve(sizes, **{name: value for name, value in asked.items() if value})
    rounds = 1 if given.tiny else given.rounds
    left_out = missing(SYNCTHING)
    systems = [OURS] if given.no_peer or left_out else [OURS, SYNCTHING]
    report = Report("knowledge", settings={"rounds": rounds, **attrs.asdict(sizes)})
    report.versions = versions(["clawmatrix", "automerge", "watchfiles", "msgspec"])
    if left_out and not given.no_peer:
        print(f"{SYNCTHING} is left out: {', '.join(left_out)} not installed", flush=True)
    _measure(report, sizes, rounds, systems)
    if not given.only_small:
        _measure_others(report, sizes, rounds, systems)
        if not given.no_peer:
            _measure_unison(report, sizes, rounds)
    report.save(given.out)


if __name__ == "__main__":
    main()
