"""Gemini's ``generateContent``, as upstreams speak it.

A node without a model of Gemini's has the codec too, so what converts is imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from clawmatrix_gemini.names import SEALER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_gemini.answer_reader import GeminiReader
    from clawmatrix_model_proxy.api import (
        ApiRules,
        ErrorWords,
        NeutralAnswer,
        NeutralRequest,
        NewId,
    )

__all__ = ["GeminiCodec"]


class GeminiCodec:
    """See ``UpstreamCodec``."""

    name = SEALER
    count_path = "models/{model}:countTokens"

    @property
    def rules(self) -> ApiRules:
        """What requests are made to keep to."""
        from clawmatrix_gemini.conversion import RULES

        return RULES

    def write_request(
        self, request: NeutralRequest, *, model: str, max_tokens: int
    ) -> dict[str, Any]:
        """Write a request for an upstream; no limit has to be given. Raises: Unsupported."""
        from clawmatrix_gemini.conversion import write_request

        return write_request(request, model)

    def read_answer(self, body: dict[str, Any], *, new_id: NewId) -> NeutralAnswer:
        """Read an upstream's whole answer, which is a stream of one. Raises: BadAnswer."""
        from clawmatrix_gemini.conversion import read_answer

        return read_answer(body, new_id)

    def reader(self, *, new_id: NewId) -> GeminiReader:
        """Return a reader of one stream."""
        from clawmatrix_gemini.conversion import GeminiReader

        return GeminiReader(new_id)

    def read_error(self, status: int, body: dict[str, Any]) -> ErrorWords:
        """Read an error."""
        from clawmatrix_gemini.conversion import read_error

        return read_error(body, f"the upstream answered {status}")

    def write_count(self, request: NeutralRequest, *, model: str) -> dict[str, Any]:
        """Write the question for the tokens of a request, tools and all. Raises: Unsupported."""
        from clawmatrix_gemini.conversion import write_request

        asked = write_request(request, model)
        asked.pop("generationConfig", None)  # nothing in it counts
        name = model if "/" in model else f"models/{model}"
        return {"generateContentRequest": {"model": name, **asked}}

    def read_count(self, body: dict[str, Any]) -> int:
        """Read the answer to that. Raises: BadAnswer."""
        from clawmatrix_model_proxy.api import BadAnswer

        total = body.get("totalTokens")
        if type(total) is not int or total < 0:
            raise BadAnswer("totalTokens is not a count")
        return total

    def read_models(self, body: dict[str, Any]) -> Iterator[str]:
        """Return the names in a list of models: ``models/`` stands before each."""
        models = body.get("models")
        for model in models if isinstance(models, list) else ():
            name = model.get("name") if isinstance(model, dict) else None
            if isinstance(name, str):
                yield name.removeprefix("models/")

    def next_models(self, body: dict[str, Any]) -> str:
        """Return the query for the next page of that list."""
        token = body.get("nextPageToken")
        return f"pageToken={quote(token, safe='')}" if isinstance(token, str) and token else ""
