"""Two nodes: one that programs ask over HTTP, and one whose upstream is a fake Gemini."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.testing.fixtures import wait_until
from clawmatrix_gemini.plugin import GeminiPlugin
from clawmatrix_http.plugin import HttpPlugin
from tests.plugins.gemini.gemini import KEY, MODEL, Gemini
from tests.plugins.model_proxy.asking.asking import offers
from tests.plugins.model_proxy.conftest import upstreaming

if TYPE_CHECKING:
    import anthropic
    import openai

    from clawmatrix_core.kernel.node import Node
    from clawmatrix_core.testing.fixtures import NodeFactory
    from tests.plugins.model_proxy.conftest import Upstreaming

__all__ = ["Asking", "upstreaming"]

TOKEN = "a-token-for-tests-only"


@attrs.frozen
class Asking:
    """Where programs ask, and the node that serves.

    Attributes:
        url: the address of the local API, without /v1.
        sdks: clients to close at the end.
    """

    url: str
    token: str
    office: Node
    sdks: list[openai.AsyncOpenAI | anthropic.AsyncAnthropic] = attrs.field(factory=list)


Meeting = Callable[..., AbstractAsyncContextManager[Asking]]


@pytest.fixture
def meeting(node_factory: NodeFactory, upstreaming: Upstreaming) -> Meeting:
    """Return what runs two nodes before a fake Gemini; ``model`` has more keys of the model."""

    @asynccontextmanager
    async def run(gemini: Gemini, **model: Any) -> AsyncIterator[Asking]:
        async with upstreaming(gemini.upstream()) as up:
            base_url = up.base_url.removesuffix("/v1") + "/v1beta"
            served = {"id": "g", "base_url": base_url, "api": "google-generative-ai"}
            served |= {"api_key": KEY, "upstream_model": MODEL, **model}
            http = HttpPlugin()
            built_in = ("mesh", "relay", "model-proxy")
            local = {"http": {"listen": "127.0.0.1:0", "token": TOKEN}}
            home = node_factory("home", built_in=built_in, plugins=[http], config=local)
            office = node_factory(
                "office",
                dials=["home"],
                built_in=built_in,
                plugins=[GeminiPlugin()],
                config={"model-proxy": {"models": [served]}},
            )
            async with home, office:
                await wait_until(lambda: home.reachable(office.id) and offers(home, "office"))
                asking = Asking(f"http://{http.address}", TOKEN, office)
                yield asking
                for sdk in asking.sdks:
                    await sdk.close()

    return run
