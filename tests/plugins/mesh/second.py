"""A second implementation of a node's side of the protocol, written from docs/protocol.md.

It shares no line with the first: WebSocket by hand, Noise from the ``noiseprotocol`` package,
JSON and keys from others' libraries. It knows what the page says, and nothing else; what it
does not need (credit beyond the first window, resending, routes) it leaves out.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from noise.connection import Keypair, NoiseConnection

PREAMBLE = b'{"clawmatrix":[1,1]}'
PATIENCE = 10.0


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class WebSocket:
    """The client's side of RFC 6455, as far as the page asks for it."""

    def __init__(self, port: int) -> None:
        self.tcp = socket.create_connection(("127.0.0.1", port), PATIENCE)
        key = b64(os.urandom(16))
        self.tcp.sendall(
            f"GET /clawmatrix HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            "".encode()
        )
        self.file = self.tcp.makefile("rb")
        assert self.file.readline().startswith(b"HTTP/1.1 101")
        while self.file.readline() != b"\r\n":
            pass

    def send(self, message: bytes, opcode: int = 2) -> None:
        mask = os.urandom(4)
        size = len(message)
        if size < 126:
            head = bytes([0x80 | opcode, 0x80 | size])
        elif size < 65536:
            head = bytes([0x80 | opcode, 0x80 | 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([0x80 | opcode, 0x80 | 127]) + size.to_bytes(8, "big")
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(message))
        self.tcp.sendall(head + mask + masked)

    def receive(self) -> bytes:
        """Return the next binary message, its fragments joined. Raises: EOFError on a close."""
        message = b""
        while True:
            first, second = self.file.read(2) or (0x88, 0)
            size = second & 0x7F
            if size >= 126:
                size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
            payload = self.file.read(size)
            if first & 0x0F == 8:
                raise EOFError(int.from_bytes(payload[:2], "big"), payload[2:].decode())
            if first & 0x0F in (0, 2):
                message += payload
                if first & 0x80:
                    return message

    def close(self) -> None:
        self.file.close()
        self.tcp.close()


class Keys:
    """A session: its id, and a key each way."""

    def __init__(self, noise: Any) -> None:
        self.hash: bytes = noise.get_handshake_hash()
        self.id = self.hash[:8]
        self.sending = AESGCM(noise.noise_protocol.cipher_state_encrypt.k)
        self.receiving = AESGCM(noise.noise_protocol.cipher_state_decrypt.k)
        self.counter = 0

    def seal(self, line: bytes, plaintext: bytes) -> bytes:
        place = self.counter.to_bytes(8, "big")
        self.counter += 1
        sealed: bytes = self.sending.encrypt(bytes(4) + place, plaintext, line)
        return b"".join((self.id, place, sealed))

    def open(self, line: bytes, body: bytes) -> bytes:
        plaintext: bytes = self.receiving.decrypt(bytes(4) + body[8:16], body[16:], line)
        return plaintext


class Second:
    """A node that dials one other, and pings and is pinged over it."""

    def __init__(self, name: str, secret: str) -> None:
        self.name = name
        self.instance = os.urandom(8).hex()
        self.signing = Ed25519PrivateKey.generate()
        self.channel = X25519PrivateKey.generate()
        info = b"clawmatrix cluster secret v1"
        self.psk = HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(secret.encode())
        self.seq = 0
        self.records: dict[str, dict[str, Any]] = {}
        self.texts: dict[str, dict[str, str]] = {}
        self.sessions: dict[bytes, Keys] = {}
        self.with_: dict[str, Keys] = {}
        self.opening: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        self.pinged: list[str] = []
        self.told = ""  # the neighbour's summary of all records
        self.write_record({})

    # --- records

    def write_record(self, links: dict[str, float]) -> None:
        self.seq += 1
        record = {
            "nodeId": self.name,
            "signKey": b64(self.signing.public_key().public_bytes_raw()),
            "channelKey": b64(self.channel.public_key().public_bytes_raw()),
            "epoch": 1,
            "seq": self.seq,
            "instance": self.instance,
            "links": links,
            "tags": ["a second implementation"],
            "a field of version 2": {"is": "ignored"},
        }
        text = json.dumps(record)
        signature = self.signing.sign(b"clawmatrix record v1\0" + text.encode())
        self.records[self.name] = record
        self.texts[self.name] = {"record": text, "sig": b64(signature)}

    def take_record(self, value: dict[str, str]) -> None:
        record = json.loads(value["record"])
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(record["signKey"]))
        signed = b"clawmatrix record v1\0" + value["record"].encode()
        key.verify(base64.b64decode(value["sig"]), signed)
        known = self.records.get(record["nodeId"])
        if known is None or age(record) > age(known):
            self.records[record["nodeId"]], self.texts[record["nodeId"]] = record, value

    def digest(self) -> list[list[Any]]:
        return [[name, *age(self.records[name])] for name in sorted(self.records)]

    def summary(self) -> str:
        compact = json.dumps(self.digest(), separators=(",", ":"))
        return hashlib.sha256(compact.encode()).hexdigest()[:16]

    # --- the link

    def noise(
        self,
        pattern: str,
        prologue: bytes,
        *,
        initiator: bool,
        remote: str = "",
        psk: bytes = b"",
    ) -> Any:
        noise = NoiseConnection.from_name(f"Noise_{pattern}_25519_AESGCM_SHA256".encode())
        if initiator:
            noise.set_as_initiator()
        else:
            noise.set_as_responder()
        noise.set_psks(psk=psk or self.psk)
        noise.set_prologue(prologue)
        own = self.channel.private_bytes_raw()
        noise.set_keypair_from_private_bytes(Keypair.STATIC, own)
        if remote:
            key = base64.b64decode(self.records[remote]["channelKey"])
            noise.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, key)
        noise.start_handshake()
        return noise

    def dial(self, port: int) -> None:
        """Go through the handshake; there is a link when this returns."""
        self.ws = WebSocket(port)
        noise = self.noise("XXpsk3", b"clawmatrix link v1\0" + PREAMBLE, initiator=True)
        self.ws.send(PREAMBLE + b"\n" + noise.write_message())
        line, _, second = self.ws.receive().partition(b"\n")
        assert json.loads(line) == {"clawmatrix": [1, 1], "use": 1}
        assert len(second) == 96
        noise.read_message(second)
        self.ws.send(bytes(noise.write_message()))
        self.link = self.add(noise, None)
        proof = self.signing.sign(b"clawmatrix hello v1\0dialled\0" + self.link.hash)
        hello = {**self.texts[self.name], "proof": b64(proof), "versions": [1, 1]}
        self.send("hello", "*", hello, keys=self.link, lane=0)
        header, theirs = self.receive()
        assert (header["type"], header["to"], theirs["versions"]) == ("hello", "*", [1, 1])
        self.take_record(theirs)
        self.peer = header["from"]
        self.with_[self.peer] = self.link
        key = base64.b64decode(self.records[self.peer]["signKey"])
        Ed25519PublicKey.from_public_bytes(key).verify(
            base64.b64decode(theirs["proof"]), b"clawmatrix hello v1\0answered\0" + self.link.hash
        )
        self.send("heartbeat", self.peer, {"t": 0, "records": self.summary()}, lane=0)
        self.send("digest", self.peer, self.digest(), lane=0)
        self.write_record({self.peer: 1.0})
        self.send("records", self.peer, [self.texts[self.name]], lane=0)

    def join(self, token: str) -> None:
        """Get the secret of the mesh from the node that made a token."""
        data = base64.urlsafe_b64decode(token.removeprefix("cmi_") + "==")
        label = b"clawmatrix invitation token v1\0"
        assert data[-4:] == hashlib.sha256(label + data[:-4]).digest()[:4]
        assert data[0] == 1
        id_, secret, key = data[1:9].hex(), data[9:41], data[41:73]
        name, rest = data[74 : 74 + data[73]].decode(), data[74 + data[73] :]
        addresses = []
        for _ in range(rest[0]):
            addresses.append(rest[2 : 2 + rest[1]].decode())
            rest = rest[:1] + rest[2 + rest[1] :]
        assert rest[1:] == data[-4:]

        self.ws = WebSocket(int(addresses[0].rpartition(":")[2]))
        preamble = b'{"clawmatrix":[1,1],"invite":"' + id_.encode() + b'"}'
        info = b"clawmatrix invitation v1"
        psk = HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(secret)
        prologue = b"clawmatrix invitation v1\0" + preamble
        noise = self.noise("XXpsk3", prologue, initiator=True, psk=psk)
        self.ws.send(preamble + b"\n" + noise.write_message())
        noise.read_message(self.ws.receive().partition(b"\n")[2])
        assert noise.noise_protocol.handshake_state.rs.public_bytes == key
        self.ws.send(bytes(noise.write_message()))
        self.link = self.add(noise, None)
        proof = self.signing.sign(b"clawmatrix hello v1\0dialled\0" + self.link.hash)
        hello = {**self.texts[self.name], "proof": b64(proof), "versions": [1, 1]}
        self.send("hello", "*", hello, keys=self.link, lane=0)
        header, theirs = self.receive()
        assert (header["type"], header["from"]) == ("hello", name)
        record = json.loads(theirs["record"])
        assert base64.b64decode(record["channelKey"]) == key
        Ed25519PublicKey.from_public_bytes(base64.b64decode(record["signKey"])).verify(
            base64.b64decode(theirs["proof"]), b"clawmatrix hello v1\0answered\0" + self.link.hash
        )
        header, told = self.receive()
        assert (header["type"], header["from"], header["to"]) == ("welcome", name, self.name)
        info = b"clawmatrix cluster secret v1"
        self.psk = HKDF(hashes.SHA256(), 32, salt=None, info=info).derive(told["secret"].encode())

    def add(self, noise: Any, peer: str | None) -> Keys:
        keys = Keys(noise)
        self.sessions[keys.id] = keys
        if peer is not None:
            self.with_[peer] = keys
        return keys

    # --- frames

    def send(
        self, type_: str, to: str, payload: Any, *, keys: Keys | None = None, **fields: Any
    ) -> None:
        fields = {"id": "", "body": "sealed", **fields}
        line = self.line(type_, to, fields)
        plaintext = b"j" + json.dumps(payload).encode() if payload is not None else b"j"
        self.ws.send(b"\x20" + line + b"\n" + (keys or self.with_[to]).seal(line, plaintext))

    def send_opening(self, type_: str, to: str, id_: str, body: bytes) -> None:
        line = self.line(type_, to, {"id": id_, "body": "bytes", "lane": 0})
        self.ws.send(b"\x20" + line + b"\n" + bytes(body))

    def line(self, type_: str, to: str, fields: dict[str, Any]) -> bytes:
        now = int(time.time() * 1000)
        head = {"type": type_, "from": self.name, "to": to, "timestamp": now}
        return json.dumps({**head, **fields, "of version 2": True}).encode()

    def receive(self) -> tuple[dict[str, Any], Any]:
        message = self.ws.receive()
        line, _, body = message[1:].partition(b"\n")
        header = json.loads(line)
        if header.get("body") == "bytes":
            return header, body
        plaintext = self.sessions[body[:8]].open(line, body)
        assert plaintext[:1] in (b"j", b"b")
        return header, json.loads(plaintext[1:] or b"null") if plaintext[:1] == b"j" else plaintext

    def step(self) -> None:
        """Take one frame, and do what the page says about it."""
        header, payload = self.receive()
        sender = header["from"]
        match header["type"]:
            case "heartbeat":
                self.told = payload["records"]
                self.send("heartbeat_ack", sender, {"t": payload["t"]}, lane=0)
            case "digest":
                known = {name: (epoch, seq) for name, epoch, seq in payload}
                news = [n for n, own in self.records.items() if age(own) > known.get(n, ())]
                self.send("records", sender, [self.texts[name] for name in news], lane=0)
            case "records":
                for value in payload:
                    self.take_record(value)
            case "session_open" | "session_accept":
                self.on_opening(header, payload)
            case "ping":
                self.pinged.append(sender)
                answer = {"id": header["id"], "re": True, "seq": 0, "fin": True, "ack": 1}
                self.send("data", sender, {"n": (payload or {}).get("n")}, **answer)
            case "probe":
                ids = {"id": header["id"], "re": not header.get("re", False)}
                self.send("credit", sender, None, fin=True, ack=header.get("seq", 0), **ids)
            case "data" if header["id"] in self.answers:
                self.answers[header["id"]] = payload
                self.send("credit", sender, None, id=header["id"], ack=header.get("seq", 0) + 1)
            case _:
                pass  # nothing that it waits for

    def ping(self, to: str, n: int) -> Any:
        """Open an exchange, and return the payload of its answer."""
        if to not in self.with_:
            self.open_session(to)
        id_ = os.urandom(12).hex()
        self.answers[id_] = None
        self.send("ping", to, {"n": n}, id=id_, seq=0, fin=True, limit=262144, deadline=9000)
        while self.answers[id_] is None:
            self.step()
        return self.answers.pop(id_)

    # --- sessions with others than the neighbour

    def open_session(self, to: str) -> None:
        id_ = os.urandom(12).hex()
        prologue = b"clawmatrix session v1\0" + self.name.encode() + b"\0" + to.encode()
        noise = self.opening[id_] = self.noise("KKpsk0", prologue, initiator=True, remote=to)
        self.send_opening("session_open", to, id_, noise.write_message(self.instance.encode()))
        while to not in self.with_:
            self.step()

    def on_opening(self, header: dict[str, Any], body: bytes) -> None:
        sender = header["from"]
        if header["type"] == "session_accept":
            noise = self.opening.pop(header["id"])
            assert noise.read_message(body).decode() == self.records[sender]["instance"]
            self.add(noise, sender)
            return
        prologue = b"clawmatrix session v1\0" + sender.encode() + b"\0" + self.name.encode()
        noise = self.noise("KKpsk0", prologue, initiator=False, remote=sender)
        assert noise.read_message(body).decode() == self.records[sender]["instance"]
        accepted = noise.write_message(self.instance.encode())
        self.send_opening("session_accept", sender, header["id"], accepted)
        self.add(noise, sender)


def age(record: dict[str, Any]) -> tuple[int, int]:
    return (record["epoch"], record["seq"])
