"""Times fit each other: the table of docs/protocol.md, computed from the defaults of the code."""

from __future__ import annotations

import ast
import inspect
import operator
import re
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
from msgspec.structs import asdict

from clawmatrix_core.cli.control_client import call
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.loading.dispatcher import EVENT_BUDGET
from clawmatrix_core.sessions.session import LATE
from clawmatrix_http.config import DRAIN_LIMIT
from clawmatrix_mesh.config import USUAL_HEARTBEAT, MeshConfig
from clawmatrix_mesh.links.healing import healed_within
from clawmatrix_mesh.links.heartbeat import patience_of
from clawmatrix_mesh.links.limits import LinkLimits
from clawmatrix_mesh.websocket.transport import OPEN_TIMEOUT
from clawmatrix_model_proxy.asking.attempt import HASTE
from clawmatrix_model_proxy.config import ModelProxyConfig
from clawmatrix_relay.paths import QUESTION_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
TABLE = PAGE.split("<!-- how times fit -->\n")[1].split("<!-- end -->")[0]
ROWS = re.findall(r"(?m)^\| `([^`]+)` \| `([^`]+)` \| (.+) \|$", TABLE)
OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Mult: operator.mul,
}


def default_of(function: Callable[..., object], name: str) -> float:
    default = inspect.signature(function).parameters[name].default
    assert isinstance(default, float)
    return default


PROXY = ModelProxyConfig()
KNOWN: dict[str, float] = {
    **{name: float(value) for name, value in attrs.asdict(ExchangeLimits()).items()},
    **{name: float(value) for name, value in asdict(LinkLimits()).items()},
    "heartbeat": MeshConfig().heartbeat,
    "patience": patience_of(MeshConfig().heartbeat),
    "open_timeout": OPEN_TIMEOUT,
    "LATE": LATE,
    "question": QUESTION_LIMIT,
    "control": default_of(call, "timeout"),
    "haste": HASTE,
    "first_token_timeout": PROXY.first_token_timeout,
    "idle_timeout": PROXY.idle_timeout,
    "whole_answer_timeout": PROXY.whole_answer_timeout,
    "first_byte_timeout": PROXY.first_byte_timeout,
    "total_timeout": PROXY.total_timeout,
    "http_drain_most": DRAIN_LIMIT,
    "stop_each": EVENT_BUDGET,
}


def value(text: str) -> float:
    """Return the seconds that a term of the table comes to."""

    def read(node: ast.expr) -> float:
        match node:
            case ast.Name(id=name):
                return KNOWN[name]
            case ast.Constant(value=int() | float() as number):
                return float(number)
            case ast.BinOp(left=left, op=op, right=right):
                return OPERATORS[type(op)](read(left), read(right))
        raise ValueError(text)

    return read(ast.parse(text, mode="eval").body)


def test_the_table_has_rows() -> None:
    assert len(ROWS) > 10
    assert len(ROWS) == TABLE.count("\n| `") + TABLE.startswith("| `")


@pytest.mark.parametrize(("less", "more", "why"), ROWS, ids=[f"{a} < {b}" for a, b, _ in ROWS])
def test_times_fit_each_other(less: str, more: str, why: str) -> None:
    assert value(less) < value(more), why


@pytest.mark.parametrize("heartbeat", [5.0, 5.1, 10.0, 30.0, 300.0])
def test_times_fit_a_longer_heartbeat_too(heartbeat: float) -> None:
    links = LinkLimits()
    healed = healed_within(heartbeat, links)
    limits = ExchangeLimits()
    if heartbeat > USUAL_HEARTBEAT:
        limits = limits.outlasting(healed)
    assert healed <= limits.grace
    assert healed + limits.probe_unacked < limits.lost
    assert limits.grace < limits.lost < limits.linger
