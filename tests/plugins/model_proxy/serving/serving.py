"""Askers of the serving side, over exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_core.base.errors import ExchangeFailure
from clawmatrix_model_proxy.wire import REQUEST, Head, Opening, read_head

if TYPE_CHECKING:
    from clawmatrix_core.kernel.node import Node

BODY = b'{"model":"here/m", "messages":[ ], "temperature":1.50}'
EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": null}]}\n\n'
DONE = b"data: [DONE]\n\n"


def model(base_url: str, **more: Any) -> dict[str, Any]:
    """Return the table of a model."""
    return {"id": "m", "base_url": base_url, **more}


async def ask(
    node: Node, body: bytes = BODY, *, opening: object = None, stream: bool = False
) -> tuple[Head, bytes]:
    """Return the head and the whole body of an answer. Raises: ExchangeError."""
    opening = opening or Opening("chat", "m", stream)
    async with node.exchange(node.id, REQUEST, opening) as exchange:
        await exchange.finish(body)
        head = read_head(await exchange.receive())
        return head, b"".join([piece async for piece in exchange])


async def ask_code(node: Node, body: bytes = BODY, **more: Any) -> tuple[str, bool]:
    """Return the code of the failure, and whether the request can have begun."""
    with pytest.raises(ExchangeFailure) as caught:
        await ask(node, body, **more)
    return caught.value.code, caught.value.may_have_begun
