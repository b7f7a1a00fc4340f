"""What is needed of the servers that a node has mounted, and which of their things it exposes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from clawmatrix_mcp.resources.uris import prompt_target, resource_target, template_target
from clawmatrix_mcp.resources.wire import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from clawmatrix_core import JSON
    from clawmatrix_grants.api import Glob

__all__ = ["Exposed", "Server", "Servers", "target_of"]


class Server(Protocol):
    """A mounted server; its lists are as it told them."""

    @property
    def name(self) -> str:
        """Its name on this node."""

    @property
    def resources(self) -> Sequence[JSON]:
        """Its resources."""

    @property
    def templates(self) -> Sequence[JSON]:
        """Its templates of resources."""

    @property
    def prompts(self) -> Sequence[JSON]:
        """Its prompts."""

    async def request(self, method: str, params: Mapping[str, JSON], /) -> dict[str, JSON]:
        """Ask it. Raises: ToolError."""


class Servers(Protocol):
    """All of them."""

    def get(self, name: str, /) -> Server | None:
        """Return the one of a name."""

    def all(self) -> Sequence[Server]:
        """Return all of them."""

    def when_changed(self, call: Callable[[], None], /) -> Callable[[], None]:
        """Have something called when a list is another; return what ends that."""


class Exposed:
    """Says what ``[mcp] resources`` exposes, and lists it.

    Args:
        servers: returns the servers that are mounted; None where there are none.
        patterns: returns the patterns that are in force.
    """

    def __init__(
        self, servers: Callable[[], Servers | None], patterns: Callable[[], Sequence[Glob]]
    ) -> None:
        self._servers, self._patterns = servers, patterns

    def has(self, target: str) -> bool:
        """Say whether a target, ``SERVER/URI`` or ``SERVER/prompts/NAME``, is exposed."""
        return any(pattern.matches(target) for pattern in self._patterns())

    def server(self, name: str) -> Server | None:
        """Return the server of a name."""
        servers = self._servers()
        return None if servers is None else servers.get(name)

    def entries(self) -> Iterator[tuple[str, Entry]]:
        """Yield all that is exposed, each with the target that grants are asked about."""
        servers = self._servers()
        for server in () if servers is None else servers.all():
            for entry in _entries(server):
                target = target_of(entry)
                if target is not None and self.has(target):
                    yield target, entry


def target_of(entry: Entry) -> str | None:
    """Return what grants are asked about an entry of a list, None where nobody may have it."""
    if entry.kind == "resource":
        return resource_target(entry.server, entry.name)
    if entry.kind == "template":
        return template_target(entry.server, entry.name)
    return prompt_target(entry.server, entry.name)


def _entries(server: Server) -> Iterator[Entry]:
    yield from _of(server.name, "resource", server.resources)
    yield from _of(server.name, "template", server.templates)
    yield from _of(server.name, "prompt", server.prompts)


def _of(server: str, kind: Kind, told: Iterable[JSON]) -> Iterator[Entry]:
    for one in told:
        if isinstance(one, dict):
            yield Entry(kind, server, one)
