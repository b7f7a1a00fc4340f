"""A question about a response that an upstream keeps, and its answer, which passes as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

import attrs

from clawmatrix_model_proxy.serving.upstream_call import PassthroughCall, unsent
from clawmatrix_model_proxy.streams.formats import FORMATS

if TYPE_CHECKING:
    from clawmatrix_model_proxy.wire import StoredAction

__all__ = ["QUERY_LIMIT", "StoredCall"]

QUERY_LIMIT = 2048
"""Characters of a query that is passed on."""
_METHODS = {"get": "GET", "input_items": "GET", "cancel": "POST", "delete": "DELETE"}
_BEHIND = {"get": "", "input_items": "/input_items", "cancel": "/cancel", "delete": ""}
_SAFE = "-._~%!$&'()*+,;=:@/?[]"


@attrs.frozen
class StoredCall(PassthroughCall):
    """What is asked of the upstream, by a method of HTTP. A response that failed is no error."""

    may_have_failed: ClassVar[bool] = True
    method: str = "GET"

    @classmethod
    def about(cls, kept_at: str, wanted: StoredAction, *, streams: bool = False) -> StoredCall:
        """Return the call for an action. Raises: ExchangeFailure, for a malformed id or query.

        ``kept_at`` is the path at which the upstream takes requests of Responses.
        """
        query = wanted.query
        plain = query.isascii() and all(c.isalnum() or c in _SAFE for c in query)
        if not plain or len(query) > QUERY_LIMIT:
            raise unsent("bad_request", "the query of the request is not right", "query")
        path, mark, own = kept_at.partition("?")
        if wanted.id.strip(".") == "":
            raise unsent("bad_request", "that is no id of a response", "response_id")
        whole = f"{path}/{quote(wanted.id, safe='')}{_BEHIND[wanted.action]}"
        queries = "&".join(one for one in (own if mark else "", query) if one)
        url = f"{whole}?{queries}" if queries else whole
        method = _METHODS[wanted.action]
        return cls(FORMATS["responses"], url, b"", streams, method)
