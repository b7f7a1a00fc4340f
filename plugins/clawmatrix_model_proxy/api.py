"""What other plugins register with the model proxy: APIs of upstreams, and models.

Importing this module loads neither the plugin nor anything that serves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import Secret

__all__ = ["ModelApi", "ModelUpstream"]


@attrs.frozen
class ModelApi:
    """An API that upstreams of models speak.

    Attributes:
        name: the word for it in configurations; a third party's has its plugin's name in front,
            ``plugin:word``.
        paths: the formats that such an upstream takes as they are, each with the path behind the
            base URL that takes it. The first is the codec's own. ``{model}`` in a path stands for
            the upstream's name of the model.
        codec: reads and writes that first format, so that requests in others can be converted: a
            ``Codec``, see the page on models; None where nothing is.
        key_header: the header that carries the key, and what stands before the key in it.
        headers: what is sent with each request.
        stream_path: the path for requests that want a stream, where that is another one.
    """

    name: str
    paths: Mapping[str, str]
    codec: object = None
    key_header: tuple[str, str] = ("authorization", "Bearer ")
    headers: Mapping[str, str] = attrs.field(factory=dict)
    stream_path: str | None = None


@attrs.frozen
class ModelUpstream:
    """A server that answers for a model which this node serves.

    Attributes:
        id: the name that others ask for.
        base_url: where the upstream's API is, up to and with ``/v1``.
        api: the API that it speaks, the name of a ``ModelApi``.
        keys: what it takes as a key, in the order in which they are tried.
        upstream_model: its own name for the model, None where that is ``id``.
        description: a line about the model, for people.
        max_tokens: the limit of an answer where the API wants one and the request has none.
        developer_role: the chat upstream knows the role ``developer``; others ignore it or refuse.
        max_tokens_field: what the chat upstream calls the limit of an answer.
    """

    id: str
    base_url: str
    api: str = "openai-completions"
    keys: tuple[Secret, ...] = ()
    upstream_model: str | None = None
    description: str | None = None
    max_tokens: int = 8192
    developer_role: bool = False
    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"

    @property
    def name_there(self) -> str:
        """The name the upstream knows the model by."""
        return self.upstream_model or self.id
