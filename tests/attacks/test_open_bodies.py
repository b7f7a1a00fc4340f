"""A member begins many requests whose bodies never end, and a serving node holds what came."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.attacks.attacker import Attacker, attacker
from tests.attacks.lab import MIB, Lab

if TYPE_CHECKING:
    from tests.attacks.conftest import Labs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.anyio,
    pytest.mark.parametrize("anyio_backend", ["asyncio"]),
]

BODIES = 80
EACH = 31 * MIB
SECONDS = 40.0
"""For which the bodies go on."""
STILL = 10.0
"""Seconds for which they are left open after that."""
PIECE = b"b" + bytes(65536)
MAX_REQUESTS = 256 * MIB
"""`max_requests`, of which one member has half."""


class Bodies:
    """Requests of one member that have no end."""

    def __init__(self, mallory: Attacker) -> None:
        self._mallory = mallory
        mallory.hears = self._hear
        self._limits: dict[str, int] = {}
        self._ended: set[str] = set()
        self._more = anyio.Event()
        self.sent = 0

    def _hear(self, line: dict[str, Any], payload: Any) -> None:
        if line["type"] == "credits":
            for id_, _, _, limit in payload:
                self._limit(id_, limit)
        elif line["type"] == "error":
            self._ended.add(line["id"])
        else:
            self._limit(line["id"], line.get("limit", 0))

    def _limit(self, id_: str, limit: int) -> None:
        if limit > self._limits.get(id_, math.inf):
            self._limits[id_] = limit
            self._more.set()
            self._more = anyio.Event()

    async def one(self, number: int) -> None:
        """Send one, as far as the serving node takes it."""
        id_ = f"body-{number}"
        self._limits[id_] = 256 * 1024
        opening = b'j{"format":"chat","model":"here"}'
        await self._mallory.send("model_req", opening, id=id_, seq=0, limit=2**40)
        used, seq = len(opening) + 64, 1
        while used < EACH and id_ not in self._ended:
            if used + len(PIECE) + 64 > self._limits[id_]:
                with anyio.move_on_after(1):
                    await self._more.wait()
                continue
            await self._mallory.send("data", PIECE, id=id_, seq=seq, limit=2**40)
            used, seq, self.sent = used + len(PIECE) + 64, seq + 1, self.sent + len(PIECE)


async def test_unfinished_bodies_of_one_member(labs: Labs) -> None:
    served = '[[model-proxy.models]]\nid = "here"\nbase_url = "http://127.0.0.1:9/v1"\n'
    with labs(hub=served) as lab:
        async with lab.attacked(counted={"hub": ("model_busy",)}, most=MAX_REQUESTS // 2):
            await many_bodies(lab)


async def many_bodies(lab: Lab) -> None:
    """Begin them, and go."""
    began = time.monotonic()
    async with attacker(lab.mesh_port, links={"hub": 1}) as mallory:
        bodies = Bodies(mallory)
        with anyio.move_on_after(SECONDS):
            async with anyio.create_task_group() as tasks:
                for number in range(BODIES):
                    tasks.start_soon(bodies.one, number)
        print(f"\n{bodies.sent // MIB} MiB in {time.monotonic() - began:.0f} s")
        await anyio.sleep(STILL)
