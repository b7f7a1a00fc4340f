"""Values of a plugin's codec: what the types of their fields promise is looked at."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from clawmatrix_model_proxy.neutral.answer import (
    Begin,
    Block,
    Close,
    Completed,
    Delta,
    Failed,
    Finish,
    NeutralAnswer,
    Open,
    Usage,
)
from clawmatrix_model_proxy.neutral.codec import ErrorWords
from clawmatrix_model_proxy.serving.sound import sound, sound_count, sound_words

ANY: Any = object()
HUGE = 2**64
USAGE = Usage(3, 4, cached=1, more={("input", "audio_tokens"): 2})
GOOD = NeutralAnswer("id", "m", 1, (Block("text", "hi"),), "stop", USAGE)
SOUND: list[msgspec.Struct] = [
    GOOD,
    Begin("id", "m", 1, USAGE),
    Open(0, "text"),
    Delta(0, "hi", [{"token": "hi", "logprob": -0.5}]),
    Close(0),
    Finish("stop", USAGE),
    Completed(),
    Failed({"message": "full"}),
]


@pytest.mark.parametrize("value", SOUND, ids=lambda value: type(value).__name__)
def test_what_is_right_comes_back(value: msgspec.Struct) -> None:
    assert sound(value) is value


@pytest.mark.parametrize(
    "value",
    [
        Begin(id=7),  # type: ignore[arg-type]
        Begin(created=HUGE),
        Begin("\ud800"),
        Begin(usage=Usage(input=HUGE)),
        Begin(usage=Usage(output=-1)),
        Begin(usage=Usage(cached=True)),
        Begin(usage=Usage(reasoning=1.5)),  # type: ignore[arg-type]
        Begin(usage=Usage(more={("input", "x"): HUGE})),
        Begin(usage=Usage(more={"x": 1})),  # type: ignore[dict-item]
        Begin(usage=7),  # type: ignore[arg-type]
        Open(0, "picture"),  # type: ignore[arg-type]
        Delta(0, None),  # type: ignore[arg-type]
        Delta(0, "x", [{"token": ANY}]),
        Finish("tired"),  # type: ignore[arg-type]
        Failed(ANY),
        msgspec.structs.replace(GOOD, blocks=(7,)),
        msgspec.structs.replace(GOOD, model=None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_could_not_be_sent_is_an_error_here(value: msgspec.Struct) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError, AttributeError)):
        sound(value)


@pytest.mark.parametrize("count", [-1, HUGE, True, 1.0, "1", None])
def test_a_count_is_a_number_of_tokens(count: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        sound_count(count)
    assert sound_count(0) == 0


def test_the_words_of_an_error_are_text() -> None:
    words = ErrorWords("full", code="busy")
    assert sound_words(words) is words
    for wrong in (ErrorWords(ANY), ErrorWords("x", ANY), ErrorWords("x", code=ANY)):
        with pytest.raises(TypeError):
            sound_words(wrong)
    with pytest.raises(UnicodeEncodeError):
        sound_words(ErrorWords("\ud800"))
