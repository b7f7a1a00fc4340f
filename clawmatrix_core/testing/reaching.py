"""What a test asks of a node: a plugin, a control method, the local server, a reload."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar, overload

from clawmatrix_core.control.address import SERVER
from clawmatrix_core.testing.told import ToldConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    import httpx2

    from clawmatrix_core.base.json_value import JSON
    from clawmatrix_core.config.changes import Changes
    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.loading.contributions import ControlMethod

__all__ = ["call_control", "http_client", "plugin_of", "reload", "stream_control"]

T = TypeVar("T")


@overload
def plugin_of(node: Node, which: str) -> object: ...
@overload
def plugin_of(node: Node, which: type[T]) -> T: ...
def plugin_of(node: Node, which: str | type[T]) -> object:
    """Return the object of a plugin, by its name or by its class.

    Raises: LookupError, where no such plugin is loaded in the node.
    """
    loaded = {info.name: info.plugin for info in node.plugins.active()}
    for name, plugin in loaded.items():
        if name == which if isinstance(which, str) else isinstance(plugin, which):
            return plugin
    raise LookupError(_no_plugin(node, which, loaded))


def _no_plugin(node: Node, which: str | type[object], loaded: Iterable[str]) -> str:
    wanted = which if isinstance(which, str) else which.__name__
    told = f"{node.id} has no plugin {wanted}; it has {', '.join(loaded) or 'none'}"
    if isinstance(which, type):
        return told
    if (known := node.plugins.get(which)) is not None:
        return f"{told}; {which} is {known.state}: {known.reason}"
    return f"{told}; an object has the name of its class, unless the class has a plugin_name"


async def call_control(node: Node, method: str, params: Mapping[str, JSON] | None = None) -> JSON:
    """Call a control method within the process, as ``call`` of a command does over the socket.

    Raises: LookupError, where the node has no such method; and what the method raises.
    """
    call = _method(node, method).call
    if call is None:
        raise LookupError(f"the control method {method} is a stream: use stream_control")
    return await call(dict(params or {}))


async def stream_control(
    node: Node, method: str, params: Mapping[str, JSON] | None = None
) -> AsyncIterator[JSON]:
    """Yield what a streaming control method yields; see ``call_control``."""
    stream = _method(node, method).stream
    if stream is None:
        raise LookupError(f"the control method {method} is no stream: use call_control")
    async for item in stream(dict(params or {})):
        yield item


def _method(node: Node, name: str) -> ControlMethod:
    methods: dict[str, ControlMethod] = {one.name: one for one in node.control_methods()}
    server = node.plugins.get(SERVER)
    methods |= getattr(server.plugin if server else None, "methods", {})
    if name not in methods:
        why = node.plugins.why_absent(name)
        raise LookupError(
            f"{node.id} has no control method {name}{why}; it has {', '.join(methods) or 'none'}"
        )
    return methods[name]


@asynccontextmanager
async def http_client(node: Node) -> AsyncIterator[httpx2.AsyncClient]:
    """Open a client of the node's local server, which sends the node's token.

    Paths are those of the routes: ``await client.get("/pigeons")``. It needs httpx2, which
    ``pip install 'clawmatrix[testing]'`` installs.

    Raises: LookupError, where the node runs without the ``http`` plugin.
    """
    import httpx2  # only tests of HTTP need it

    found = await call_control(node, "http.env")
    url, headers = found["baseUrl"].removesuffix("/v1"), {"x-api-key": found["token"]}
    async with httpx2.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        yield client


async def reload(node: Node, changes: Mapping[str, object]) -> Changes:
    """Have a node of ``node_factory`` take changes of its configuration; return what changed.

    ``{"dice": {"most": 3}}`` changes one key and leaves the others; None takes a key out.

    Raises: ConfigError, where the new configuration has mistakes; LocalProtocolError, where
        the node does not run; TypeError, where the test made the node without ``node_factory``.
    """
    if not isinstance(node.config, ToldConfig):
        raise TypeError(f"{node.id} was not made by node_factory: use node.reload(config)")
    return await node.reload(node.config.with_changes(changes))
