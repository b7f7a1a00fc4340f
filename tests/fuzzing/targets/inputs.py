"""What comes from beside the mesh: an upstream's HTTP, the configuration, the control socket."""

from __future__ import annotations

import gzip
import json
import socket
import tempfile
import zlib
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import SocketStream

from clawmatrix_core.base.errors import ConfigError, ExchangeFailure
from clawmatrix_core.config.config import Config, ConfigSection
from clawmatrix_core.control.protocol import ControlRequest, answer_line
from clawmatrix_http.config import HttpConfig
from clawmatrix_mesh.config import MeshConfig
from clawmatrix_model_proxy.config import ModelProxyConfig
from clawmatrix_model_proxy.http.connection import HttpConnection, HttpResponse
from clawmatrix_model_proxy.http.reader import BrokenAnswer, ResponseReader
from clawmatrix_relay.config import RelayConfig
from tests.fuzzing.target import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PIECE", "TARGETS"]

PIECE = 1024 * 1024
"""Bytes of an answer that may come out at once, however few there were of them compressed."""


# --- HTTP answers of upstreams


def http_answer(data: bytes) -> None:
    """Read an answer: however its bytes come, it is the same."""
    whole = _read([data])
    random = Random(data[:64])
    most = random.choice((1, 7, 200))
    pieces, at = [], 0
    while at < len(data):
        size = random.randint(1, most)
        pieces.append(data[at : at + size])
        at += size
    cut = _read(pieces)
    assert (whole is None) == (cut is None)
    if whole is not None and cut is not None:
        assert whole[:3] == cut[:3]


def _read(pieces: Sequence[bytes]) -> tuple[int, dict[str, str], bytes, ResponseReader] | None:
    reader, body = ResponseReader(), b""
    try:
        for piece in pieces:
            reader.feed(piece)
            body += reader.take()
        if not reader.complete:
            reader.end()
    except BrokenAnswer:
        return None
    return reader.status, reader.headers, body + reader.take(), reader


def http_body(data: bytes) -> None:
    """Read an answer off a real socket, and open it where it is compressed."""
    anyio.run(_http_body, data)


async def _http_body(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.setblocking(False)
        async with await SocketStream.from_socket(ours) as stream:
            connection = HttpConnection(stream)
            connection.reader.start()
            theirs.send(data)
            theirs.shutdown(socket.SHUT_WR)
            await connection.read_head()
            answer = HttpResponse(connection, lambda _: None)
            while piece := await answer.receive():
                assert len(piece) <= PIECE
            await answer.close()


def _answers() -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
    body = b'{"id": "x", "choices": []}'
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:5], body[5:]))
    packed = gzip.compress(body * 20)
    bomb = zlib.compress(bytes(8_000_000), 9)
    length = b"content-length: %d\r\n\r\n"
    return [
        head + length % len(body) + body,
        head + b"transfer-encoding: chunked\r\n\r\n" + chunked + b"0\r\nx-trailer: 1\r\n\r\n",
        head + b"connection: close\r\n\r\n" + body,
        b"HTTP/1.1 100 Continue\r\n\r\n" + head + length % len(body) + body,
        b"HTTP/1.1 204 No Content\r\n\r\n",
        head + b"content-encoding: gzip\r\n" + length % len(packed) + packed,
        head + b"content-encoding: deflate\r\n" + length % len(bomb) + bomb,
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
    ]


# --- the configuration

SECTIONS = (
    ConfigSection("mesh", MeshConfig),
    ConfigSection("relay", RelayConfig),
    ConfigSection("http", HttpConfig),
    ConfigSection("model-proxy", ModelProxyConfig),
)
_FOLDER = tempfile.TemporaryDirectory(prefix="clawmatrix-fuzz-")


def config(data: bytes) -> None:
    """Read a configuration; every mistake in it is named."""
    path = Path(_FOLDER.name) / "config.toml"
    path.write_bytes(data)
    path.chmod(0o600)
    read = Config.load(path)
    read.bind(SECTIONS)
    read.taking(Config.load(path))


def _configs() -> list[bytes]:
    core = b'node_id = "home"\nsecret = "0123456789012345678901234567890123456789"\n'
    tables = b"""
tags = ["gpu", "x"]
log = "info,mesh:debug"
plugins = ["mesh", "relay"]
[mesh]
listen = "127.0.0.1:9000"
peers = ["ws://127.0.0.1:9001"]
heartbeat = "5 s"
revokers = ["home"]
[relay]
transit = true
[http]
listen = "127.0.0.1:9002"
token = "0123456789012345678901234567890123456789"
[[model-proxy.models]]
id = "m"
base_url = "http://127.0.0.1:9003/v1"
api_key = "words"
api = "openai-completions"
"""
    return [core, core + tables]


# --- the control socket


def control(data: bytes) -> None:
    """Read a request's line; what is wrong with it can be said."""
    try:
        request = ControlRequest.parse(data)
    except ExchangeFailure as error:
        json.loads(answer_line(error))
    else:
        json.loads(answer_line({"result": [request.method, request.params]}))


def _requests() -> list[bytes]:
    params: tuple[dict[str, Any], ...] = ({}, {"node": "home", "count": 3}, {"a": [{"b": None}]})
    lines = [json.dumps({"method": "ping", "params": one}).encode() for one in params]
    return [*lines, b'{"method": "status"}', b'{"method": "status", "params": null}']


TARGETS = [
    Target("http answer", http_answer, _answers),
    Target("http body", http_body, _answers, (ExchangeFailure,)),
    Target("configuration", config, _configs, (ConfigError,)),
    Target("control request", control, _requests),
]
