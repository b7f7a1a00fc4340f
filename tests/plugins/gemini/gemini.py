"""A fake Gemini: it parses every request with Google's own types, and answers from them.

It holds a request to what the real one refuses: unknown fields, results that do not belong to the
calls before them, and calls of the turn that goes on without the signature they were given.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

import attrs
import pydantic
from google.genai import types
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from tests.plugins.model_proxy.conftest import Asked

__all__ = ["KEY", "MODEL", "Gemini", "Refused", "answer", "call", "part"]

KEY = "key-of-gemini-0123456789"
MODEL = "gemini-3-flash"
FOREIGN = base64.urlsafe_b64decode("skip_thought_signature_validator")
COUNTS = {"prompt_token_count": 12, "candidates_token_count": 5, "total_token_count": 17}
_TARGET = re.compile(
    r"POST /v1beta/models/([^:]+):"
    r"(generateContent|streamGenerateContent\?alt=sse|countTokens) HTTP/1\.1"
)


class Request(pydantic.BaseModel):
    """The body of a request, as the reference of ``models.generateContent`` lists its fields."""

    model_config = pydantic.ConfigDict(extra="forbid", alias_generator=to_camel)

    contents: list[types.Content]
    system_instruction: types.Content | None = None
    tools: list[types.Tool] | None = None
    tool_config: types.ToolConfig | None = None
    safety_settings: list[types.SafetySetting] | None = None
    generation_config: types.GenerationConfig | None = None
    cached_content: str | None = None

    @property
    def config(self) -> types.GenerationConfig:
        """The configuration, with nothing in it where there is none."""
        return self.generation_config or types.GenerationConfig()


class Counting(Request):
    """A request whose tokens are to be counted."""

    model: str


class Question(pydantic.BaseModel):
    """The body of ``models.countTokens``."""

    model_config = pydantic.ConfigDict(extra="forbid", alias_generator=to_camel)

    generate_content_request: Counting


@attrs.frozen
class Counted(Exception):
    """The question was for the number of tokens."""

    tokens: int


@attrs.frozen
class Refused(Exception):
    """An answer with an error's status."""

    status: int
    word: str
    message: str
    details: tuple[dict[str, Any], ...] = ()

    @property
    def body(self) -> bytes:
        """The error as Google's servers write it."""
        error = {"code": self.status, "message": self.message, "status": self.word}
        return json.dumps({"error": {**error, "details": list(self.details)}}).encode()


def part(text: str = "", **more: Any) -> types.Part:
    """Return a part of text."""
    return types.Part(text=text, **more)


def call(name: str, seal: bytes | None = None, id: str | None = None, **args: Any) -> types.Part:
    """Return a call, with the signature that it comes with."""
    return types.Part(
        function_call=types.FunctionCall(id=id, name=name, args=args), thought_signature=seal
    )


def answer(
    *parts: types.Part, reason: str | None = "STOP", usage: Mapping[str, Any] = COUNTS
) -> types.GenerateContentResponse:
    """Return an answer, or an event of a stream."""
    content = types.Content(role="model", parts=list(parts)) if parts else None
    candidate = types.Candidate(
        index=0,
        content=content,
        finish_reason=None if reason is None else types.FinishReason(reason),
    )
    return types.GenerateContentResponse(
        candidates=[candidate],
        usage_metadata=types.GenerateContentResponseUsageMetadata(**usage),
        model_version="gemini-3-flash-preview",
        response_id="r-1",
    )


@attrs.define
class Gemini:
    """Answers as ``says`` tells, a list with an event for each part of a stream.

    Attributes:
        asked: the requests.
        targets: what the first lines asked for.
        cut: the connection ends after the events without an end of the stream.
    """

    says: Callable[[Request], Sequence[types.GenerateContentResponse]]
    asked: list[Request] = attrs.field(factory=list)
    targets: list[str] = attrs.field(factory=list)
    cut: bool = False
    _seals: dict[bytes, types.FunctionCall] = attrs.field(factory=dict)

    def upstream(self) -> Callable[[Asked], Awaitable[None]]:
        """Return what answers on a connection."""

        async def answers(asked: Asked) -> None:
            try:
                streams, said = self._answer(asked)
            except Counted as counted:
                await asked.answer(_json(types.CountTokensResponse(total_tokens=counted.tokens)))
                return
            except Refused as refused:
                await asked.answer(refused.body, status=refused.status)
                return
            if not streams:
                [whole] = said
                await asked.answer(_json(whole))
                return
            await asked.begin_stream()
            for one in said:
                await asked.chunk(b"data: " + _json(one) + b"\r\n\r\n")
            await (asked.stream.aclose() if self.cut else asked.end_stream())

        return answers

    def _answer(self, asked: Asked) -> tuple[bool, Sequence[types.GenerateContentResponse]]:
        head = asked.head.decode()
        target = _TARGET.match(head)
        self.targets.append(head.split("\r\n")[0].split(" ")[1])
        if target is None or target[1] != MODEL:
            raise Refused(404, "NOT_FOUND", f"{self.targets[-1]} is not found")
        if f"x-goog-api-key: {KEY}" not in head.split("\r\n") or "authorization" in head.lower():
            reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo"}
            told = ({**reason, "reason": "API_KEY_INVALID"},)
            raise Refused(400, "INVALID_ARGUMENT", "API key not valid.", told)
        if target[2] == "countTokens":
            raise Counted(self._count(asked.body))
        try:
            request = Request.model_validate_json(asked.body)
        except pydantic.ValidationError as error:
            raise Refused(400, "INVALID_ARGUMENT", str(error)) from None
        self.asked.append(request)
        self._check(request.contents)
        said = self.says(request)
        for one in said:
            self._note(one)
        return target[2] != "generateContent", said

    def _count(self, body: bytes) -> int:
        question = Question.model_validate_json(body).generate_content_request
        assert question.model == f"models/{MODEL}"
        assert question.generation_config is None
        self.asked.append(question)
        return 1000 + len(question.contents)

    def _note(self, said: types.GenerateContentResponse) -> None:
        for candidate in said.candidates or ():
            for one in (candidate.content.parts if candidate.content else None) or ():
                if one.function_call is not None and one.thought_signature is not None:
                    self._seals[one.thought_signature] = one.function_call

    # --- what the real one refuses

    def _check(self, contents: list[types.Content]) -> None:
        last = max(at for at, one in enumerate(contents) if _is_said_by_user(one))
        for at, content in enumerate(contents):
            calls = [one for one in content.parts or () if one.function_call is not None]
            if content.role != "model" or not calls:
                continue
            self._check_results(calls, contents[at + 1])
            if at > last:
                self._check_seals(calls)

    def _check_results(self, calls: list[types.Part], after: types.Content) -> None:
        made = [one.function_call for one in calls]
        asked = [(one.name, one.id) for one in made if one is not None]
        found = [one.function_response for one in after.parts or ()]
        given = [(one.name, one.id) for one in found if one is not None]
        if asked != given or after.role != "user":
            message = "the function response parts must be those of the function call turn"
            raise Refused(400, "INVALID_ARGUMENT", message)

    def _check_seals(self, calls: list[types.Part]) -> None:
        for number, one in enumerate(calls):
            seal, made = one.thought_signature, one.function_call
            if seal is None and number == 0:
                message = "Function call is missing a thought_signature in functionCall parts."
                raise Refused(400, "INVALID_ARGUMENT", message)
            if seal is None or seal == FOREIGN:
                continue
            first = self._seals.get(seal)
            if first is None or made is None or (first.name, first.args) != (made.name, made.args):
                raise Refused(400, "INVALID_ARGUMENT", "Thought signature is not valid.")


def _is_said_by_user(content: types.Content) -> bool:
    parts = content.parts or ()
    return content.role == "user" and any(one.function_response is None for one in parts)


def _json(said: pydantic.BaseModel) -> bytes:
    return said.model_dump_json(by_alias=True, exclude_none=True).encode()
