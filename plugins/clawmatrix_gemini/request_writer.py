"""The conversation of a request, as Gemini has it."""

from __future__ import annotations

import mimetypes
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from clawmatrix_gemini.names import SEALER, thinks_by_budget
from clawmatrix_gemini.settings import write_config, write_tools
from clawmatrix_model_proxy.api import (
    Audio,
    File,
    Image,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from clawmatrix_model_proxy.api import NeutralRequest, Part, Turn

__all__ = ["write_request"]

_SIDES = {"system": "system", "developer": "system", "assistant": "model", "tool": "tool"}
_FOREIGN = "skip_thought_signature_validator"
"""What Google documents for calls that another model made, which have no signature of its own."""
_decode = msgspec.json.Decoder().decode


def write_request(request: NeutralRequest, model: str) -> dict[str, Any]:
    """Write a request for a model. Raises: Unsupported."""
    writer = _Conversation(request, signs=not thinks_by_budget(model))
    system, contents = writer.contents()
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": system}
    write_tools(request, body)
    write_config(request, model, body)
    return body


class _Conversation:
    """Writes the turns of one request. Turns of one side in a row are one content.

    Args:
        signs: the model refuses calls without a signature.
    """

    def __init__(self, request: NeutralRequest, *, signs: bool) -> None:
        self._request = request
        self._signs = signs
        self._where = "input" if request.api == "responses" else "messages"
        self._names: dict[str, str] = {}  # of tools, by the ids of their calls

    def contents(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the parts of the instruction, and the contents. Raises: Unsupported."""
        system: list[dict[str, Any]] = []
        contents: list[dict[str, Any]] = []
        for side, group in groupby(self._request.turns, lambda turn: _SIDES.get(turn.role, "user")):
            turns = list(group)
            parts = self._model(turns) if side == "model" else self._parts(turns)
            if side == "system":
                system += parts
            elif parts:
                role = "model" if side == "model" else "user"
                contents.append({"role": role, "parts": parts})
        if not contents:
            raise Unsupported(self._where, "Gemini wants something that a user said")
        return system, contents

    def _parts(self, turns: Iterable[Turn]) -> list[dict[str, Any]]:
        return [part for turn in turns for one in turn.parts for part in self._part(one)]

    def _model(self, turns: Iterable[Turn]) -> list[dict[str, Any]]:
        """Write what the model said. The first of its calls has the signature of the step."""
        parts = _signed(self._parts(turns))
        calls = [part for part in parts if "functionCall" in part]
        if self._signs and calls and not any("thoughtSignature" in call for call in calls):
            calls[0]["thoughtSignature"] = _FOREIGN
        return parts

    def _part(self, part: Part) -> Iterator[dict[str, Any]]:
        match part:
            case Text(words) | Refusal(words):
                if words:
                    yield {"text": words}
            case Image() | File() | Audio():
                yield self._medium(part)
            case Reasoning():
                if part.sealed and part.sealed_by == SEALER and part.redacted:
                    yield {"text": "", "thoughtSignature": part.sealed}
                elif part.sealed and part.sealed_by == SEALER:
                    words = part.text or "\n\n".join(part.summary)
                    yield {"text": words, "thought": True, "thoughtSignature": part.sealed}
            case ToolCall():
                yield self._call(part)
            case ToolResult():
                yield {"functionResponse": self._result(part)}

    # --- tools

    def _call(self, call: ToolCall) -> dict[str, Any]:
        arguments = None if call.free else _arguments(call.arguments)
        if arguments is None:
            message = f"the arguments of a call of {call.name!r} are not a JSON object"
            raise Unsupported(self._where, message)
        self._names[call.id] = call.name
        part: dict[str, Any] = {
            "functionCall": {"id": call.id, "name": call.name, "args": arguments}
        }
        if call.sealed and call.sealed_by == SEALER:
            part["thoughtSignature"] = call.sealed
        return part

    def _result(self, result: ToolResult) -> dict[str, Any]:
        name = self._names.get(result.call_id)
        if name is None:
            raise Unsupported(self._where, f"there is no call {result.call_id!r} before its result")
        words, media = self._result_parts(result)
        found: dict[str, Any] = {
            "id": result.call_id,
            "name": name,
            "response": {"error" if result.failed else "output": "\n\n".join(words)},
        }
        return {**found, "parts": media} if media else found

    def _result_parts(self, result: ToolResult) -> tuple[list[str], list[dict[str, Any]]]:
        """Return the words of a result, and the rest: Gemini has no text in ``parts`` there."""
        words: list[str] = []
        media: list[dict[str, Any]] = []
        for part in result.parts:
            if isinstance(part, Text) or (isinstance(part, File) and part.text):
                words.append(part.text)
            else:
                media.append(self._medium(part))
        return words, media

    # --- pictures, documents, sound

    def _medium(self, part: Image | File | Audio) -> dict[str, Any]:
        if isinstance(part, Audio):
            return _inline(f"audio/{part.format}", part.data)
        if isinstance(part, File) and part.text:
            return {"text": part.text}
        if part.file_id:
            raise Unsupported(self._where, "a file that another upstream has cannot be read there")
        if not part.url.startswith("data:"):
            return {"fileData": {"fileUri": part.url, **_kind(part.url)}}
        kind, comma, data = part.url[len("data:") :].partition(",")
        if not comma or not kind.endswith(";base64"):
            raise Unsupported(self._where, "a data: URL must be of base64")
        return _inline(kind.split(";")[0], data)


def _signed(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the parts with the signatures of texts on their texts."""
    found: list[dict[str, Any]] = []
    for part in parts:
        if found and part.keys() == {"text", "thoughtSignature"} and found[-1].keys() == {"text"}:
            found[-1] |= {"thoughtSignature": part["thoughtSignature"]}
        else:
            found.append(part)
    return found


def _inline(kind: str, data: str) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": data}}


def _kind(url: str) -> dict[str, str]:
    kind = mimetypes.guess_type(url.partition("?")[0])[0]
    return {"mimeType": kind} if kind else {}


def _arguments(arguments: str) -> dict[str, Any] | None:
    """Return a call's arguments, none of which is the same as an empty object."""
    if not arguments.strip():
        return {}
    try:
        decoded = _decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return decoded if isinstance(decoded, dict) else None
