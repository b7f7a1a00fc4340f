"""What converts: ``codec.py`` imports this, and with it the rest, when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clawmatrix_gemini.answer_reader import GeminiReader
from clawmatrix_gemini.errors import read_error
from clawmatrix_gemini.request_writer import write_request
from clawmatrix_gemini.rules import RULES
from clawmatrix_model_proxy.api import answer_of

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import NeutralAnswer, NewId

__all__ = ["RULES", "GeminiReader", "read_answer", "read_error", "write_request"]


def read_answer(body: dict[str, Any], new_id: NewId) -> NeutralAnswer:
    """Read an upstream's whole answer, which is a stream of one. Raises: BadAnswer."""
    reader = GeminiReader(new_id)
    return answer_of([*reader.read(body), *reader.done()])
