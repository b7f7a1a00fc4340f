"""What the seal costs: the same nodes, with it and with it taken out.

``python -m tests.benchmarks.bench_sealing --out results.json``

Model calls go home -> relay -> office; bulk goes between two neighbours. The seal is taken
out by the launcher in ``unsealed``, in this benchmark only. Handshakes are counted in one
process, both ends of each.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs
import uvloop

from clawmatrix_core.members.identity import Identity
from clawmatrix_core.sessions.noise import KKPSK0, XXPSK3, Handshake, Pattern
from tests.benchmarks.bench_models import (
    chunks_per_second,
    processor_time,
    ready,
)
from tests.benchmarks.harness import (
    Report,
    compare,
    interleave,
    interleave_async,
    options,
    pinned,
    versions,
)
from tests.benchmarks.http_load import Target, calls_per_second
from tests.benchmarks.mesh import CORE, PROGRAM, SECRET, TOKEN, Mesh, mesh
from tests.benchmarks.processes import child, module

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.benchmarks.processes import Child

Better = Literal["higher", "lower"]
Cases = dict[str, Callable[[], Awaitable[float]]]
OURS, BARE = "sealed", "the seal taken out"
WARM_UP = 1 + 1 / 8
"""What is asked for in all, for each byte that is measured."""
PROGRAMS = {OURS: PROGRAM, BARE: "tests.benchmarks.unsealed"}


@attrs.frozen
class Sizes:
    """How much is asked for in a round."""

    calls: int = 200
    seconds: float = 1.5
    clients: int = 16
    chunks: int = 2000
    bulk: int = 128 * 1024 * 1024
    handshakes: int = 200


TINY = Sizes(calls=3, seconds=0.1, clients=2, chunks=20, bulk=1024 * 1024, handshakes=3)


# --- model calls


async def _measure_calls(
    report: Report, meshes: Mapping[str, Mesh], sizes: Sizes, rounds: int
) -> None:
    targets = {name: Target(name, one.port, TOKEN) for name, one in meshes.items()}
    for target in targets.values():
        await ready(target)

    async def add(
        words: str, unit: str, better: Better, cases: Cases, target: str | None = None
    ) -> None:
        await interleave_async(cases, 1)  # warms all up
        found = await interleave_async(cases, rounds)
        ours, bare = found[OURS], found[BARE]
        report.add(compare(words, unit, better, ours, bare, peer_name=BARE, target=target))

    words = f"calls a second, {sizes.clients} clients"
    load: Cases = {
        name: functools.partial(calls_per_second, target, sizes.clients, sizes.seconds)
        for name, target in targets.items()
    }
    await add(words, "calls/s", "higher", load, ">= 0.8, aim 0.9")
    cost: Cases = {
        name: functools.partial(
            processor_time, target, tuple(meshes[name].nodes.values()), sizes.calls
        )
        for name, target in targets.items()
    }
    await add("processor time a call, all processes", "ms", "lower", cost, "<= 1.2, aim 1.1")
    streams: Cases = {
        name: functools.partial(chunks_per_second, target, sizes.chunks, 1)
        for name, target in targets.items()
    }
    await add(f"chunks a second, a stream of {sizes.chunks}", "chunks/s", "higher", streams)


# --- bulk


class _Neighbours:
    """Two nodes; the one that asks is started anew for each answer.

    Attributes:
        costs: the processor's milliseconds for a MB, at both ends, of each answer.
    """

    def __init__(self, folder: Path, address: str, office: Child, flags: Sequence[str]) -> None:
        self.costs: list[float] = []
        self._folder, self._office, self._flags = folder, office, flags
        self._config = _config(folder, "home", f'[mesh]\npeers = ["{address}"]\n')

    def rate(self, size: int) -> float:
        """Return the MB/s at which an answer of this many bytes comes."""
        command = module("bulk", "ask", str(self._config), f"--bytes={size}", *self._flags)
        before = self._office.cpu()
        with child(command, core=0, log=self._folder / "home.log", env=_ENV) as asking:
            found = asking.expect(r"rate (\d+) cost (\d+)")
        there = (self._office.cpu() - before) / (size * WARM_UP) * 1e9
        self.costs.append(int(found[2]) / 1e6 + there)
        return int(found[1]) / 1e6


_ENV = {"BENCH_SECRET": SECRET}


def _config(folder: Path, name: str, body: str) -> Path:
    file = folder / f"{name}.toml"
    head = f'node_id = "{name}"\nsecret = "env:BENCH_SECRET"\nstate_dir = "{folder / name}"\n'
    file.write_text(head + body)
    return file


@contextlib.contextmanager
def _neighbours(folder: Path, flags: Sequence[str]) -> Iterator[_Neighbours]:
    config = _config(folder, "office", '[mesh]\nlisten = "127.0.0.1:0"\n')
    command = module("bulk", "serve", str(config), *flags)
    with child(command, core=CORE, log=folder / "office.log", env=_ENV) as office:
        address = office.expect(r"listening (ws://\S+)")[1]
        yield _Neighbours(folder, address, office, flags)


def _measure_bulk(report: Report, folder: Path, sizes: Sizes, rounds: int) -> None:
    with contextlib.ExitStack() as stack:
        cases: dict[str, Callable[[], float]] = {}
        pairs: dict[str, _Neighbours] = {}
        for name, flags in ((OURS, ()), (BARE, ("--unsealed",))):
            place = Path(tempfile.mkdtemp(dir=folder))
            pairs[name] = stack.enter_context(_neighbours(place, flags))
            cases[name] = functools.partial(pairs[name].rate, sizes.bulk)
        found = interleave(cases, rounds)
    report.add(
        compare(
            "bytes of an exchange, in frames of 64 KiB",
            "MB/s",
            "higher",
            found[OURS],
            found[BARE],
            peer_name=BARE,
            target=">= 0.7, aim 0.85",
        )
    )
    ours, bare = pairs[OURS].costs, pairs[BARE].costs
    words = "the same, processor time a MB, both ends"
    report.add(compare(words, "ms", "lower", ours, bare, peer_name=BARE))


# --- handshakes


def _handshakes_per_second(pattern: Pattern, count: int) -> float:
    one, other = Identity.generate(), Identity.generate()
    began = time.perf_counter()
    for _ in range(count):
        ends = [_end(pattern, one, other, True), _end(pattern, other, one, False)]
        for number in range(len(pattern.messages)):
            writer, reader = ends[number % 2], ends[(number + 1) % 2]
            reader.read(writer.write())
        assert ends[0].split() == ends[1].split()[::-1]
    return count / (time.perf_counter() - began)


def _end(pattern: Pattern, own: Identity, peer: Identity, initiator: bool) -> Handshake:
    return Handshake(
        pattern,
        initiator=initiator,
        static=own.channel_private,
        remote_static=peer.channel_public if pattern.known else None,
        psk=bytes(32),
        prologue=b"benchmark",
    )


def _measure_handshakes(report: Report, count: int, rounds: int) -> None:
    for pattern, words in ((KKPSK0, "of a session (KKpsk0)"), (XXPSK3, "of a link (XXpsk3)")):
        found = [_handshakes_per_second(pattern, count) for _ in range(rounds)]
        report.add(compare(f"handshakes {words}, both ends", "a second", "higher", found))


async def _run(report: Report, folder: Path, sizes: Sizes, rounds: int) -> None:
    with contextlib.ExitStack() as stack:
        served = stack.enter_context(child(module("upstream"), core=0, log=folder / "up.log"))
        upstream = served.expect(r"listening (http://\S+)")[1]
        meshes: dict[str, Mesh] = {}
        for name, program in PROGRAMS.items():
            place = Path(tempfile.mkdtemp(dir=folder))
            meshes[name] = stack.enter_context(mesh(place, upstream, program=program))
        await _measure_calls(report, meshes, sizes, rounds)


def main() -> None:
    """Run the benchmark."""
    given = options("What the seal costs.", rounds=7).parse_args()
    rounds, sizes = (1, TINY) if given.tiny else (given.rounds, Sizes())
    report = Report("sealing", settings={"rounds": rounds, **attrs.asdict(sizes)})
    report.versions = versions(["clawmatrix", "cryptography", "websockets", "uvloop"])
    with (
        pinned(0) as is_pinned,
        tempfile.TemporaryDirectory(prefix="cmx-bench-") as name,
    ):
        report.settings["pinned"] = is_pinned
        folder = Path(name)
        uvloop.run(_run(report, folder, sizes, rounds))
        _measure_bulk(report, folder, sizes, rounds)
        _measure_handshakes(report, sizes.handshakes, rounds)
    report.save(given.out)


if __name__ == "__main__":
    main()
