"""A plugin's codec, watched: what it lets out is a fault of its plugin, and of nobody else.

Beside the errors of its contract, a codec may raise anything, or return a value outside
of its contract. Requests end with an error that names the plugin then, and streams too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from clawmatrix_core.spi import stray
from clawmatrix_model_proxy.neutral.answer import Event, NeutralAnswer
from clawmatrix_model_proxy.neutral.failures import BadAnswer, ErrorWords, Unsupported
from clawmatrix_model_proxy.serving.sound import sound, sound_count, sound_words
from clawmatrix_model_proxy.serving.upstream_call import unsent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from clawmatrix_core import JSON
    from clawmatrix_model_proxy.neutral.codec import NewId, StreamReader, UpstreamCodec
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

__all__ = ["GuardedCodec", "GuardedReader", "OnFault"]

R = TypeVar("R")
OnFault = Callable[[str, Exception], None]
"""Takes the name of a codec's member that failed, and what it raised."""

_encode = msgspec.json.Encoder().encode


class _Guard:
    """Calls the members of a plugin's object."""

    def __init__(self, plugin: str, on_fault: OnFault) -> None:
        self.plugin = plugin
        self.on_fault = on_fault

    def reading(self, member: str, read: Callable[[], R]) -> R:
        """Return what ``read`` does. Raises: BadAnswer, also for a fault."""
        try:
            return read()
        except (BadAnswer, RecursionError):
            raise
        except BaseException as error:  # a stranger's code
            if (fault := stray(error, called=True)) is None:
                raise
            raise BadAnswer(self._noted(member, fault)) from None

    def writing(self, member: str, write: Callable[[], R]) -> R:
        """Return what ``write`` does. Raises: Unsupported; ExchangeFailure, for a fault."""
        try:
            return write()
        except (Unsupported, RecursionError):
            raise
        except BaseException as error:  # a stranger's code
            if (fault := stray(error, called=True)) is None:
                raise
            raise unsent("failed", self._noted(member, fault)) from None

    def _noted(self, member: str, error: Exception) -> str:
        """Note a fault, and return what others are told: nothing of its words."""
        self.on_fault(member, error)
        return f"{member} of the plugin {self.plugin} failed with {type(error).__name__}"


class GuardedCodec:
    """An ``UpstreamCodec`` of a plugin, with those of the optional members that it has.

    Args:
        codec: the plugin's own, of which ``check_api`` found nothing wrong.
        plugin: the plugin's name.
        on_fault: is told of each fault.
    """

    def __init__(self, codec: UpstreamCodec, plugin: str, on_fault: OnFault) -> None:
        self.name = codec.name
        self._codec = codec
        self._guard = _Guard(plugin, on_fault)
        self._add_optional(codec)

    def __repr__(self) -> str:
        return f"<GuardedCodec {self.name} of {self._guard.plugin}>"

    def write_request(
        self, request: NeutralRequest, *, model: str, max_tokens: int
    ) -> dict[str, JSON]:
        """See UpstreamCodec."""
        write = self._codec.write_request
        return self._guard.writing(
            "codec.write_request",
            lambda: _encoded(write(request, model=model, max_tokens=max_tokens)),
        )

    def read_answer(self, body: dict[str, JSON], *, new_id: NewId) -> NeutralAnswer:
        """See UpstreamCodec."""
        read = self._codec.read_answer
        answer: NeutralAnswer = self._guard.reading(
            "codec.read_answer", lambda: sound(_is(NeutralAnswer, read(body, new_id=new_id)))
        )
        return answer

    def reader(self, *, new_id: NewId) -> GuardedReader:
        """See UpstreamCodec."""
        made = self._guard.reading("codec.reader", lambda: self._codec.reader(new_id=new_id))
        return GuardedReader(made, self._guard)

    def _add_optional(self, codec: Any) -> None:
        """Add what a codec need not have: its presence says what the codec does."""
        members: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
            "read_error": self._read(
                "read_error", lambda found: sound_words(_is(ErrorWords, found))
            ),
            "read_models": self._read("read_models", lambda found: [_is(str, n) for n in found]),
            "next_models": self._read("next_models", lambda found: _is(str, found)),
            "read_count": self._read("read_count", sound_count),
            "write_count": self._write_count,
        }
        for name, guarded in members.items():
            if callable(method := getattr(codec, name, None)):
                setattr(self, name, guarded(method))
        for name in ("count_path", "rules"):
            if getattr(codec, name, None) is not None:
                setattr(self, name, getattr(codec, name))

    def _read(
        self, name: str, checked: Callable[[Any], Any]
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def guarded(method: Callable[..., Any]) -> Callable[..., Any]:
            return lambda *args: self._guard.reading(
                f"codec.{name}", lambda: checked(method(*args))
            )

        return guarded

    def _write_count(self, method: Callable[..., Any]) -> Callable[..., Any]:
        return lambda request, *, model: self._guard.writing(
            "codec.write_count", lambda: _encoded(method(request, model=model))
        )


class GuardedReader:
    """A ``StreamReader`` of a plugin."""

    def __init__(self, reader: StreamReader, guard: _Guard) -> None:
        self._reader = reader
        self._guard = guard

    @property
    def finished(self) -> bool:
        """See StreamReader."""
        return self._guard.reading(
            "reader.finished", lambda: bool(getattr(self._reader, "finished", False))
        )

    def read(self, payload: dict[str, JSON]) -> Iterable[Event]:
        """See StreamReader."""
        return self._guard.reading("reader.read", lambda: _events(self._reader.read(payload)))

    def done(self, *, marked: bool = False) -> Iterable[Event]:
        """See StreamReader."""
        return self._guard.reading("reader.done", lambda: _events(self._reader.done(marked=marked)))


def _events(found: Iterable[Event]) -> list[Event]:
    # A generator runs here, where its faults are caught.
    return [sound(_is(Event, event)) for event in found]


def _encoded(body: Any) -> Any:
    """Return a body with its values as JSON. Raises where a value is not JSON."""
    return {
        _is(str, name): msgspec.Raw(_encode(value)) for name, value in _is(Mapping, body).items()
    }


def _is(kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"a value of the type {type(value).__name__} was returned")
    return value
