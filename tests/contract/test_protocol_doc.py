"""The page of the protocol, held equal to the code where it is a table."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
from msgspec.structs import asdict

from clawmatrix_core.base.node_id import NAME_LIMIT
from clawmatrix_core.exchange import windows
from clawmatrix_core.exchange.exchanges import EXCHANGE_TYPES
from clawmatrix_core.exchange.limits import ExchangeLimits
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.members.directory import LINKS_SHARE, LINKS_TOTAL, MEMBER_LIMIT
from clawmatrix_core.members.record import LINKS_LIMIT, RECORD_LIMIT, NodeRecord, SignedRecord
from clawmatrix_core.sessions import session
from clawmatrix_core.sessions.sessions import OPENING_TYPES, PROOF_TYPE
from clawmatrix_core.wire import codec
from clawmatrix_core.wire.close_codes import CloseCode
from clawmatrix_core.wire.codec import Header
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_mesh.invite.inviting import BURST, REFILL, WELCOME
from clawmatrix_mesh.links.close_codes import InviteCloseCode
from clawmatrix_mesh.links.heartbeat import patience_of
from clawmatrix_mesh.links.limits import HELLO_LIMIT, LinkLimits
from clawmatrix_mesh.links.preamble import PREAMBLE_LIMIT, PROTOCOL
from clawmatrix_model_proxy.wire import Head, Opening
from clawmatrix_relay.routing import HOP_COST
from tests.core.members.members import Member

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {
    "PREAMBLE_LIMIT": PREAMBLE_LIMIT,
    "HELLO_LIMIT": HELLO_LIMIT,
    "MESSAGE_LIMIT": codec.MESSAGE_LIMIT,
    "HEADER_LIMIT": codec.HEADER_LIMIT,
    "NAME_LIMIT": NAME_LIMIT,
    "TTL_START": codec.TTL_START,
    "CHUNK": codec.CHUNK,
    "EXCHANGE_WINDOW": windows.WINDOW,
    "FRAME_COST": windows.FRAME_COST,
    "RECORD_LIMIT": RECORD_LIMIT,
    "MEMBER_LIMIT": MEMBER_LIMIT,
    "LINKS_LIMIT": LINKS_LIMIT,
    "LINKS_TOTAL": LINKS_TOTAL,
    "LINKS_SHARE": LINKS_SHARE,
    "WINDOW": session.WINDOW,
    "SEAL_OVERHEAD": session.SEAL_OVERHEAD,
}


def page(root: Path) -> str:
    return (root / "docs" / "protocol.md").read_text()


def table(root: Path, mark: str) -> list[list[str]]:
    """Return the rows of the table behind a mark, each as its cells."""
    [found] = re.findall(rf"(?s)<!-- {mark} -->\n(.*?)\n<!-- end -->", page(root))
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in found.splitlines()[2:]]
    return [[cell.strip().strip("`") for cell in row] for row in rows]


def test_the_fields_of_a_header_are_the_codes(root: Path) -> None:
    rows = table(root, "header fields")
    fields = msgspec.structs.fields(Header)
    assert [row[0] for row in rows] == [field.encode_name for field in fields]
    defaults = ["" if f.required else json.dumps(f.default).strip('"') for f in fields]
    assert [row[2] for row in rows] == defaults


def test_the_types_of_frames_are_the_codes(root: Path) -> None:
    registry = PluginRegistry()
    registry.load()
    impls = registry.manager.hook.frame_received.get_hookimpls()
    named = [getattr(impl.function, "clawmatrix_frame_types", ()) for impl in impls]
    known = {"hello", WELCOME, PROOF_TYPE, *EXCHANGE_TYPES, *OPENING_TYPES}.union(*named)
    listed = [row[0] for row in table(root, "frame types")]
    assert sorted(listed) == sorted(known)


def test_the_fields_of_a_record_are_the_codes(root: Path) -> None:
    text = SignedRecord.make(Member("home").record(), Member("home").identity).text
    rows = table(root, "record fields")
    assert sorted(row[0] for row in rows) == sorted(msgspec.json.decode(text))
    required = [f for f in attrs.fields(NodeRecord) if f.default is attrs.NOTHING]
    assert "The first six are required" in page(root)
    assert len(required) == 6


def test_the_reasons_of_undeliverable_are_the_codes(root: Path) -> None:
    source = (root / "plugins" / "clawmatrix_relay" / "transit.py").read_text()
    used = re.findall(r'_undeliverable\(node, transit, "(\w+)"\)', source)
    assert sorted(row[0] for row in table(root, "undeliverable reasons")) == sorted(used)


def test_the_close_codes_are_the_codes(root: Path) -> None:
    listed = {row[1]: int(row[0]) for row in table(root, "close codes")}
    assert listed == {code.name: code.value for code in (*CloseCode, *InviteCloseCode)}


def test_the_limits_are_the_codes(root: Path) -> None:
    assert {row[0]: int(row[1]) for row in table(root, "limits")} == SIZES


def test_the_times_are_the_codes(root: Path) -> None:
    known: dict[str, Any] = {
        **attrs.asdict(ExchangeLimits()),
        **asdict(LinkLimits()),
        "heartbeat": MeshConfig().heartbeat,
        "patience": patience_of(MeshConfig().heartbeat),
        "invite_burst": BURST,
        "invite_refill": REFILL,
        "HOP_COST": HOP_COST,
        "LATE": session.LATE,
    }
    listed = {row[0]: float(row[1]) for row in table(root, "times")}
    assert listed == {name: known[name] for name in listed}


def test_the_fields_of_a_model_request_are_the_codes(root: Path) -> None:
    section = page(root).split("### model_req")[1].split("\n## ")[0]
    listed = re.findall(r"(?m)^\| `(\w+)` \|", section)
    known = [*msgspec.structs.fields(Opening), *msgspec.structs.fields(Head)]
    assert listed == [field.encode_name for field in known]


def test_the_page_describes_the_version_that_the_code_speaks(root: Path) -> None:
    assert f"This page describes version {PROTOCOL[1]}\n" in page(root)
