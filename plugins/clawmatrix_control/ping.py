"""Pings: a question to a node anywhere in the mesh, and its answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import anyio
import attrs

from clawmatrix_core import DeadlineExceeded, ExchangeError, ExchangeFailure, Lane, NodeId

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from clawmatrix_core import JSON, Node

__all__ = ["PingRequest", "ping", "read_request", "unknown_node"]

FRAME_TYPE = "ping"
MOST = 1_000_000


@attrs.frozen
class PingRequest:
    """The parameters of the method ``ping``. Times are in seconds."""

    node: NodeId
    count: int
    timeout: float
    interval: float


def read_request(params: dict[str, JSON]) -> PingRequest:
    """Return the parameters, checked. Raises: ExchangeFailure ``bad_params``."""
    name = params.get("node")
    if not isinstance(name, str):
        raise ExchangeFailure("bad_params", "node: expected the name of a node")
    return PingRequest(
        NodeId(name),
        int(_number(params, "count", 4, 1, MOST)),
        _number(params, "timeout", 5.0, 0.001, 3600),
        _number(params, "interval", 1.0, 0.0, 3600),
    )


def _number(params: dict[str, JSON], name: str, default: float, least: float, most: float) -> float:
    value = params.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ExchangeFailure("bad_params", f"{name}: expected a number from {least} to {most}")
    return value


def unknown_node(name: str, known: Iterable[str]) -> ExchangeFailure:
    """Return the error for a name that no member has, with those that could be meant."""
    import difflib  # a node that is asked for nodes that are there does without

    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        hint = f"; did you mean {' or '.join(near)}?"
    elif names:
        shown = ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
        hint = f"; known are {shown}"
    else:
        hint = "; no other node is known yet"
    return ExchangeFailure(
        "unknown_node", f"no node is named {name}{hint}", detail={"suggestions": near}
    )


async def ping(
    node: Node, request: PingRequest, timer: Callable[[], float] = time.perf_counter
) -> AsyncIterator[JSON]:
    """Ping a node; yield what became of each one.

    ``timer`` is in seconds; a loop's clock can be too coarse for this.
    Raises: ExchangeFailure ``unknown_node``.
    """
    if request.node != node.id and node.directory.get(request.node) is None:
        names = [peer.node_id for peer in node.directory.others()]
        raise unknown_node(request.node, names)
    for n in range(1, request.count + 1):
        started = timer()
        yield await _once(node, request, n, timer)
        if n < request.count:
            await anyio.sleep(max(0.0, started + request.interval - timer()))


async def _once(
    node: Node, request: PingRequest, n: int, timer: Callable[[], float]
) -> dict[str, JSON]:
    result: dict[str, JSON] = {"nodeId": request.node, "n": n}
    started = timer()
    try:
        async with node.exchange(
            request.node,
            FRAME_TYPE,
            {"n": n},
            complete=True,
            deadline=request.timeout,
            lane=Lane.CONTROL,
        ) as exchange:
            await exchange.receive()
            elapsed = timer() - started
    except ExchangeError as error:
        late = isinstance(error, DeadlineExceeded)
        why = f"no answer within {request.timeout:g} s" if late else str(error)
        return {**result, "ok": False, "error": why}
    if request.node == node.id:
        path = {"status": "self", "reachableVia": None}
    else:
        status = await node.path_status(request.node)
        path = {"status": status.status, "reachableVia": status.via}
    return {**result, "ok": True, "ms": round(elapsed * 1000, 3), **path}
