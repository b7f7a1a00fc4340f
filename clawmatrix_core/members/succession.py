"""A node's word, signed with its old key, that another key is its own from now on.

A link of the chain is base64 of: the old Ed25519 key, the new one, the time in milliseconds
since 1970 (8 bytes, big endian), and the old key's signature over a label, the node's name
and all of that. The chain is in the node's record, oldest first, so that whoever pinned any
key of it can go along.
"""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import StateError
from clawmatrix_core.members.identity import KEY, Identity, load_identity, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from clawmatrix_core.state.folder import State

__all__ = ["CHAIN", "hand_over", "load_succession", "predecessors", "rotate"]

CHAIN = 8
"""Changes of a key that a record tells of; who missed more has to be told by a person."""

_LABEL = b"clawmatrix succession v1\0"
_TIME = 8
_SIGNATURE = 64
_LINK = KEY + KEY + _TIME + _SIGNATURE


def hand_over(node_id: str, old: Identity, new_public: bytes, at: int) -> str:
    """Return the link of the chain by which one key hands the name over to another."""
    said = old.sign_public + new_public + at.to_bytes(_TIME, "big")
    return base64.b64encode(said + old.sign(_signed(node_id, said))).decode()


def predecessors(chain: Sequence[str], node_id: str, key: bytes) -> tuple[bytes, ...]:
    """Return the keys that the name had before this one, the latest first.

    Goes back for as long as the links hold; what is malformed or forged is where it ends.
    """
    found: list[bytes] = []
    for text in reversed(chain[-CHAIN:]):
        link = _read(text, node_id)
        if link is None or link[1] != (found[-1] if found else key):
            break
        found.append(link[0])
    return tuple(found)


def rotate(
    state: State, node_id: str, at: int, random_bytes: Callable[[int], bytes] = os.urandom
) -> tuple[Identity, Identity]:
    """Give a node that does not run new keys; return the old ones and the new ones.

    Raises: StateError, where it has none yet, or the new ones cannot be kept.
    """
    if state.read("identity") is None:
        raise StateError("the node has no key yet: it makes one when it first starts")
    old, new = load_identity(state), Identity.generate(random_bytes)
    link = hand_over(node_id, old, new.sign_public, at)
    chain = [*load_succession(state, node_id, old), link][-CHAIN:]
    state.write("identity", {**new.to_json(), "succession": chain})
    return old, new


def load_succession(state: State, node_id: str, identity: Identity) -> tuple[str, ...]:
    """Return the chain that leads to a node's present key, empty where it has but one."""
    data = state.read("identity")
    chain = data.get("succession", []) if isinstance(data, dict) else []
    if not isinstance(chain, list) or not all(isinstance(text, str) for text in chain):
        raise StateError(f"{state.locate('identity')}: a list of texts is expected in succession")
    length = len(predecessors(chain, node_id, identity.sign_public))
    return tuple(chain[len(chain) - length :])


@lru_cache(maxsize=4096)
def _read(text: str, node_id: str) -> tuple[bytes, bytes] | None:
    """Return the old key and the new one, None for what the old key has not signed."""
    try:
        link = base64.b64decode(text, validate=True) if len(text) <= 2 * _LINK else b""
    except (binascii.Error, ValueError):
        return None
    if len(link) != _LINK:
        return None
    said, signature = link[:-_SIGNATURE], link[-_SIGNATURE:]
    old, new = said[:KEY], said[KEY : 2 * KEY]
    return (old, new) if verify(old, signature, _signed(node_id, said)) else None


def _signed(node_id: str, said: bytes) -> bytes:
    return _LABEL + node_id.encode() + b"\0" + said
