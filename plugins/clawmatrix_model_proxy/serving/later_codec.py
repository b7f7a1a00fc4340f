"""Codecs that are imported when the first request is converted.

A node whose models only get what they take as it is does without them: they are the larger part of
what serves models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from clawmatrix_core import JSON
    from clawmatrix_model_proxy.neutral.answer import NeutralAnswer
    from clawmatrix_model_proxy.neutral.codec import Codec, NewId, StreamReader, UpstreamCodec
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["CLIENTS", "OPTIONAL", "LaterCodec", "client_codec", "loaded", "reading"]

OPTIONAL = frozenset(
    {
        "count_path",
        "next_models",
        "read_count",
        "read_error",
        "read_models",
        "rules",
        "write_count",
    }
)
"""Members of codecs that not all have."""


class LaterCodec:
    """Stands for a codec: it has the name and the members of that, and imports it for a call.

    Args:
        name: the codec's name.
        load: imports the codec and returns it.
        has: those of ``OPTIONAL`` that it has, which are told without importing it.
    """

    def __init__(
        self, name: str, load: Callable[[], UpstreamCodec], has: Collection[str] = ("rules",)
    ) -> None:
        self.name = name
        self._load = load
        self._has = has
        self._codec: UpstreamCodec | None = None

    def __repr__(self) -> str:
        return f"<LaterCodec {self.name}>"

    def load(self) -> UpstreamCodec:
        """Return the codec itself."""
        if self._codec is None:
            self._codec = self._load()
        return self._codec

    def __getattr__(self, member: str) -> Any:
        if member not in self._has:
            raise AttributeError(f"{self!r} has no attribute {member!r}")
        return getattr(self.load(), member)

    def write_request(
        self, request: NeutralRequest, *, model: str, max_tokens: int
    ) -> dict[str, JSON]:
        """See UpstreamCodec."""
        return self.load().write_request(request, model=model, max_tokens=max_tokens)

    def read_answer(self, body: dict[str, JSON], *, new_id: NewId) -> NeutralAnswer:
        """See UpstreamCodec."""
        return self.load().read_answer(body, new_id=new_id)

    def reader(self, *, new_id: NewId) -> StreamReader:
        """See UpstreamCodec."""
        return self.load().reader(new_id=new_id)


def loaded(codec: UpstreamCodec) -> UpstreamCodec:
    """Return the codec that one stands for, or itself where it stands for none."""
    return codec.load() if isinstance(codec, LaterCodec) else codec


def reading(codec: UpstreamCodec | None) -> UpstreamCodec | None:
    """Return a codec that reads errors or lists of models, imported; None for any other."""
    members = ("read_error", "read_models", "next_models")
    return codec if any(hasattr(codec, member) for member in members) else None


def client_codec(name: str) -> Codec:
    """Return the codec of an API that clients speak."""
    return CLIENTS[name]()


def _chat() -> Codec:
    from clawmatrix_model_proxy.convert.chat.codec import CODEC

    return CODEC


def _messages() -> Codec:
    from clawmatrix_model_proxy.convert.messages.codec import CODEC

    return CODEC


def _responses() -> Codec:
    from clawmatrix_model_proxy.convert.responses.codec import CODEC

    return CODEC


CLIENTS: Mapping[str, Callable[[], Codec]] = {
    "chat": _chat,
    "responses": _responses,
    "messages": _messages,
}
"""What imports the codec of each API that clients speak."""
