"""What ``clawmatrix invite`` calls over the control socket."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

from clawmatrix_core import ControlMethod, ExchangeFailure, LocalProtocolError, is_node_id
from clawmatrix_mesh.addresses import check_address
from clawmatrix_mesh.invite.token import ADDRESSES_MOST, Token
from clawmatrix_mesh.websocket.address import WebSocketAddress, host_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clawmatrix_core import Node
    from clawmatrix_mesh.invite.invitations import Invitation, Invitations

__all__ = ["LONGEST", "SHORTEST", "InviteMethods", "check_dialable", "dialable", "whole_address"]

SHORTEST, LONGEST = 1.0, 7 * 24 * 3600.0
"""Seconds for which an invitation is good."""

_ANY_HOST = ("0.0.0.0", "::")
_ADDRESS_LIMIT = 255


class InviteMethods:
    """The methods, over a node's invitations.

    ``addresses`` gives where the node can be dialled, as far as it knows.
    """

    def __init__(
        self, node: Node, invitations: Callable[[], Invitations], addresses: Callable[[], list[str]]
    ) -> None:
        self._node = node
        self._invitations = invitations
        self._addresses = addresses
        self._log = node.logger("mesh")

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [
            ControlMethod("invite.add", self.add),
            ControlMethod("invite.list", self.list_),
            ControlMethod("invite.revoke", self.revoke),
        ]

    async def add(self, params: dict[str, Any]) -> Any:
        """Make an invitation, and the token that stands for it."""
        lifetime = params.get("expires")
        if not isinstance(lifetime, (int, float)) or not SHORTEST <= lifetime <= LONGEST:
            raise ExchangeFailure("bad_params", "an invitation is good for a second to 7 days")
        where = self._given(params.get("addresses")) or self._addresses()
        if not where:
            raise ExchangeFailure(
                "refused",
                f"{self._node.id} listens at no ws:// or wss:// address, so nobody can join by it:"
                " invite at a node that does, or say --address",
            )
        try:
            made, secret = self._invitations().make(lifetime, self._name(params.get("name")))
        except LocalProtocolError as error:
            raise ExchangeFailure("refused", str(error)) from None
        whom = made.name or "any name"
        self._log.info("invitation %s was made for %s, for %g s", made.id, whom, lifetime)
        expires = int(made.expires * 1000)
        token = self._token(made.id, secret, where)
        return {
            "id": made.id,
            "token": token,
            "expires": expires,
            "addresses": where,
            "name": made.name,
        }

    def _name(self, name: Any) -> str | None:
        """Return the name that an invitation is made for. Raises: ExchangeFailure."""
        if name is None:
            return None
        if not isinstance(name, str) or not is_node_id(name):
            raise ExchangeFailure("bad_params", f"name: {name!r} is not the name of a node")
        if name == self._node.id:
            raise ExchangeFailure("bad_params", f"name: {name} is this node itself")
        return name

    def _given(self, addresses: Any) -> list[str]:
        if not isinstance(addresses, list):
            return _addresses(addresses)
        bound = next(filter(_is_websocket, self._addresses()), "ws://localhost")
        here = WebSocketAddress.parse(bound)
        scheme = "wss" if here.secure else "ws"
        return _addresses(
            [whole_address(x, scheme, here.port) if isinstance(x, str) else x for x in addresses]
        )

    def _token(self, id_: str, secret: bytes, where: list[str]) -> str:
        node = self._node
        key = node.identity.channel_public
        return Token(bytes.fromhex(id_), secret, key, node.id, tuple(where)).encode()

    async def list_(self, _: dict[str, Any]) -> Any:
        """Return what became of each that was made lately."""
        return [_entry(one, status) for one, status in self._invitations().all()]

    async def revoke(self, params: dict[str, Any]) -> Any:
        """Take an open one back."""
        id_ = str(params.get("id") or "")
        if not self._invitations().revoke(id_):
            raise ExchangeFailure("not_found", f"no invitation {id_} is open here")
        self._log.info("invitation %s was revoked", id_)
        return {"id": id_}


def dialable(
    advertised: Iterable[str], bound: Iterable[str], seen: Sequence[str] = ()
) -> list[str]:
    """Return where others can dial this node, as far as it knows: not more than a guess.

    What its configuration advertises; else where it listens. Where that is everywhere, these
    are the addresses of this machine, ``seen``, and the host's name, which not all may know.
    """
    found = [address for address in advertised if _is_websocket(address)]
    named = bool(found)
    found += () if named else seen[: ADDRESSES_MOST - 1]
    for address in () if named else filter(_is_websocket, bound):
        parsed = WebSocketAddress.parse(address)
        host = socket.gethostname() if parsed.host in _ANY_HOST else parsed.host
        scheme = "wss" if parsed.secure else "ws"
        found.append(f"{scheme}://{host_port((host, parsed.port))}")
    return list(dict.fromkeys(found))[:ADDRESSES_MOST]


def whole_address(given: str, scheme: str, port: int) -> str:
    """Return a whole address for a host alone, or a host and port; any other text as it is."""
    if not given or "/" in given or "@" in given:
        return given
    bare = f"[{given}]" if given.count(":") > 1 and not given.startswith("[") else given
    named = re.search(r":[0-9]+$", bare) is not None and not bare.endswith("]")
    return f"{scheme}://{bare}" if named else f"{scheme}://{bare}:{port}"


def check_dialable(address: str) -> None:
    """Check that one who joins can dial an address. Raises: ValueError, with words for people."""
    check_address(address)
    try:
        WebSocketAddress.parse(address)
    except ValueError:
        raise ValueError(
            f'"{address}" is not an address like wss://host:port; whoever joins has no plugins'
            " yet, and dials only ws:// and wss://"
        ) from None


def _addresses(given: Any) -> list[str]:
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise ExchangeFailure("bad_params", "addresses: a list of texts is expected")
    if len(given) > ADDRESSES_MOST:
        raise ExchangeFailure("bad_params", f"a token has room for {ADDRESSES_MOST} addresses")
    for address in given:
        try:
            check_dialable(address)
        except ValueError as error:
            raise ExchangeFailure("bad_params", f"addresses: {error}") from None
        if len(address.encode()) > _ADDRESS_LIMIT:
            raise ExchangeFailure("bad_params", f"an address of over {_ADDRESS_LIMIT} bytes")
    return given


def _is_websocket(address: str) -> bool:
    try:
        WebSocketAddress.parse(address)
    except ValueError:
        return False
    return True


def _entry(one: Invitation, status: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "status": status,
        "made": int(one.made * 1000),
        "expires": int(one.expires * 1000),
        "name": one.name,
        "usedBy": one.used_by,
        "usedAt": None if one.used_at is None else int(one.used_at * 1000),
    }
