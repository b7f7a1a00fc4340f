"""Calls of the local API, by hand."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.attacks.lab import Access

__all__ = ["ask", "post", "raw", "send_much"]

PATIENCE = 60.0


def post(access: Access, path: str, body: bytes | str) -> tuple[int, bytes, dict[str, str]]:
    """Return the status, the body and the headers of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", access.port, timeout=PATIENCE)
    headers = {**access.headers, "content-type": "application/json"}
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), dict(answer.getheaders())
    finally:
        connection.close()


def ask(access: Access, model: str, *, stream: bool = False) -> tuple[int, str]:
    """Ask for a model; return the status, and the node that answered."""
    body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "secret"}]}
    status, _, headers = post(access, "/v1/chat/completions", json.dumps(body))
    return status, headers.get("x-clawmatrix-node", "")


def raw(access: Access, model: str) -> bytes:
    """Ask for a model; return the bytes of the answer."""
    body = json.dumps({"model": model, "messages": []}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nauthorization: Bearer {access.token}\r\ncontent-length: {len(body)}\r\n\r\n"  # noqa: E501
    said = b""
    with socket.create_connection(("127.0.0.1", access.port), PATIENCE) as stream:
        stream.sendall(head.encode() + body)
        while data := stream.recv(65536):
            said += data
    return said


def send_much(port: int, first: bytes, unit: bytes, most: int) -> tuple[int, bytes]:
    """Send bytes again and again; return how many were taken, and what came back."""
    sent, said = 0, b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as stream:
        stream.settimeout(5)
        with suppress(OSError):  # it is closed, or nothing more is read
            stream.sendall(first)
            while sent < most:
                stream.sendall(unit)
                sent += len(unit)
        with suppress(OSError):
            said = stream.recv(65536)
    return sent, said
