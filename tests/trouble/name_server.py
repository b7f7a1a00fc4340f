"""A name server with a few names, which can fall silent."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.trouble.machines import Machine

__all__ = ["NameServer", "name_server"]

_A, _AAAA = 1, 28


@attrs.define(eq=False)
class NameServer:
    """Answers queries over UDP.

    Attributes:
        names: IPv4 addresses by name.
        silent: kinds of queries that get no answer.
    """

    names: Mapping[str, str]
    silent: frozenset[int] = frozenset()

    def serve(self, sock: socket.socket) -> None:
        """Answer until the socket gets an empty packet."""
        while query := sock.recvfrom(4096):
            data, source = query
            if not data:
                return
            answer = self._answer(data)
            if answer is not None:
                sock.sendto(answer, source)

    def _answer(self, query: bytes) -> bytes | None:
        at, labels = 12, []
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode())
            at += 1 + length
        kind, _ = struct.unpack_from("!HH", query, at + 1)
        if kind in self.silent:
            return None
        address = self.names.get(".".join(labels).lower())
        found = b""
        if address is not None and kind == _A:
            found = struct.pack("!HHHIH4s", 0xC00C, _A, 1, 0, 4, socket.inet_aton(address))
        code = 0x8180 if address is not None else 0x8183
        head = struct.pack("!2sHHHHH", query[:2], code, 1, bool(found), 0, 0)
        return head + query[12 : at + 5] + found


@contextmanager
def name_server(machine: Machine, names: Mapping[str, str]) -> Iterator[NameServer]:
    """Run a name server on a machine."""

    def bind() -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("0.0.0.0", 53))
        return sock

    server = NameServer(names)
    with machine.call(bind).result() as sock:
        thread = threading.Thread(target=server.serve, args=(sock,))
        thread.start()
        try:
            yield server
        finally:
            machine.call(sock.sendto, b"", ("127.0.0.1", 53)).result()
            thread.join()
