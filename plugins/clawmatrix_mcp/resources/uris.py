"""How resources and prompts are named: for grants, at their servers, and in the mesh. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote

import attrs

from clawmatrix_core import is_node_id

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "LENGTH",
    "MeshUri",
    "canonical",
    "has_good_name",
    "is_wandering",
    "prompt_target",
    "resource_target",
    "sendable",
    "template_target",
]

LENGTH: Final = 2048
"""Characters that the URI of a resource and the name of a prompt have at most."""
PROMPTS: Final = "prompts"
_SCHEME: Final = "mesh://"
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,20}")
_RESERVED: Final = frozenset(":/?#[]@!$&'()*+,;=%")
_UNSAFE: Final = frozenset(' "<>\\^`{|}%')
_CASELESS: Final = ("http", "https", "ftp", "ws", "wss")
"""Schemes of which hosts are the same in small and in capital letters."""
_ENCODED: Final = re.compile(r"((?:%[0-9A-Fa-f]{2})+)")
_HEAD: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?://([^/?#]*))?")
_DOTS: Final = re.compile(r"(?:^|[/\\?#&;=:])\.\.?(?:$|[/\\?#&;])")
_LAYERS: Final = 5


@attrs.frozen
class MeshUri:
    """A resource of any node: ``mesh://NODE/SERVER/URI``.

    Attributes:
        node: the name of the node.
        server: the name of the server that is mounted there.
        uri: the server's own URI, or a template of URIs, as it is.
    """

    node: str
    server: str
    uri: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the parts of a URI. Raises: ValueError, where the text is no such URI."""
        if not text.startswith(_SCHEME):
            raise ValueError("resources of the mesh are mesh://NODE/SERVER/URI")
        node, _, rest = text.removeprefix(_SCHEME).partition("/")
        server, slash, uri = rest.partition("/")
        if not is_node_id(node) or not has_good_name(server) or not slash or not uri:
            raise ValueError("resources of the mesh are mesh://NODE/SERVER/URI")
        return cls(node, server, uri)

    def __str__(self) -> str:
        return f"{_SCHEME}{self.node}/{self.server}/{self.uri}"


def has_good_name(server: str) -> bool:
    """Say whether a mounted server may be called so."""
    return _NAME.fullmatch(server) is not None


def canonical(uri: str) -> str:
    """Return the one spelling of a URI: that in which grants, denials and the audit see it.

    What need not be encoded is not, what must be is, and the scheme is in small letters; so is
    the host where the scheme is one of the web.
    """
    spelt = "".join(
        _encoded(piece) if place % 2 else _plain(piece)
        for place, piece in enumerate(_ENCODED.split(uri))
    )
    head = _HEAD.match(spelt)
    if head is None:
        return spelt
    scheme = head[1].lower()
    begins = head[0].lower() if scheme in _CASELESS else scheme + head[0][len(scheme) :]
    return begins + spelt[head.end() :]


def is_wandering(uri: str) -> bool:
    """Say whether a URI has ``.`` or ``..`` for a part of it, encoded or not.

    A server may take such a part out, and read what no pattern has seen.
    """
    for _ in range(_LAYERS):
        if _DOTS.search(uri):
            return True
        decoded = unquote(uri, errors="replace")
        if decoded == uri:
            return False
        uri = decoded
    return True


def resource_target(server: str, uri: str) -> str | None:
    """Return what grants are asked about a resource, None where nobody may be granted it."""
    spelt = canonical(uri)
    if not uri or len(spelt) > LENGTH or is_wandering(spelt) or _HEAD.match(spelt) is None:
        return None
    return f"{server}/{spelt}"


def template_target(server: str, template: str) -> str | None:
    """Return what grants are asked about a template of URIs, before it is listed."""
    if _HEAD.match(template) is None or len(template) > LENGTH:
        return None
    return f"{server}/{template}"


def prompt_target(server: str, name: str) -> str | None:
    """Return what grants are asked about a prompt, None where nobody may be granted it."""
    if not name or len(name) > LENGTH:
        return None
    try:
        return f"{server}/{PROMPTS}/{quote(name, safe='')}"
    except UnicodeEncodeError:
        return None


def sendable(uri: str) -> str:
    """Return a URI of a server as a client takes it: what no URI has in it is encoded."""
    return quote(uri, safe="%:/?#[]@!$&'()*+,;=-._~{}", errors="replace")


def _plain(text: str) -> str:
    return "".join(_spelt(char) for char in text)


def _encoded(text: str) -> str:
    raw = bytes.fromhex(text.replace("%", ""))
    return "".join(
        f"%{ord(char) - 0xDC00:02X}"
        if "\udc80" <= char <= "\udcff"
        else quote(char, safe="")
        if char in _RESERVED
        else _spelt(char)
        for char in raw.decode(errors="surrogateescape")
    )


def _spelt(char: str) -> str:
    if char.isprintable() and char not in _UNSAFE:
        return char
    return quote(char, safe="", errors="replace")
