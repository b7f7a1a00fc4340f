"""Counting tokens with upstreams that may lack the way that their API has for it.

The call that finds out is not failed by it: it is asked for an answer at once, whose usage says the
count. After two such refusals the way is not tried again for a while.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_model_proxy.error_text import error_text
from clawmatrix_model_proxy.lacks import Lacks, is_not_served, unknown_setting
from clawmatrix_model_proxy.neutral.bodies import decode_object
from clawmatrix_model_proxy.neutral.failures import BadAnswer
from clawmatrix_model_proxy.serving.key_verdict import ERROR_LIMIT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from clawmatrix_model_proxy.api import ModelUpstream
    from clawmatrix_model_proxy.serving.upstream import UpstreamResponse
    from clawmatrix_model_proxy.serving.upstream_call import UpstreamCall

__all__ = ["Asked", "ask_for_count"]

Asked = tuple["UpstreamCall", "UpstreamResponse"]


async def ask_for_count(
    lacks: Lacks[ModelUpstream],
    model: ModelUpstream,
    what: str,
    ask: Callable[[bool], Awaitable[Asked]],
) -> Asked:
    """Ask how many tokens a request has, and return the call with its answer.

    Args:
        lacks: what upstreams lack, as far as it is known.
        model: whose upstream is asked.
        what: the way that the API has for it.
        ask: asks in this way, or with True for an answer.
    """
    if lacks.lacks(model, what):
        return await ask(True)
    call, response = await ask(False)
    try:
        why = await _refusal(call, response)
    except BaseException:
        await response.__aexit__(None, None, None)
        raise
    if why is None:
        lacks.served(model, what)
        return call, response
    await response.__aexit__(None, None, None)
    lacks.refused(model, what, why)
    return await ask(True)


async def _refusal(call: UpstreamCall, response: UpstreamResponse) -> str | None:
    """Return why an answer is no count and means that there is none; None where it does not."""
    body = await response.peek(ERROR_LIMIT)
    if body is None:
        body = b""  # a page, of which the status says enough
    if 200 <= response.status < 300:
        return None if _is_count(call, body, response.content_type) else "no count"
    said = error_text(body)
    if is_not_served(response.status, said):
        return str(response.status)
    named = unknown_setting(response.status, said)
    return None if named is None else f"{response.status} {named}"


def _is_count(call: UpstreamCall, body: bytes, type_: str) -> bool:
    try:
        whole = call.whole(body, type_)
        return type(decode_object(whole.body).get("input_tokens")) is int
    except BadAnswer:
        return False
