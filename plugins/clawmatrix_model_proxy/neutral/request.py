"""A request in no API's own shape: who said what, which tools there are, how to answer."""

from __future__ import annotations

from typing import Literal

import attrs

from clawmatrix_core import JSON  # noqa: TC001 - msgspec and attrs read it
from clawmatrix_model_proxy.neutral.sealed import Sealer  # noqa: TC001 - part of the values

__all__ = [
    "Audio",
    "File",
    "Image",
    "NeutralRequest",
    "Part",
    "Reasoning",
    "Refusal",
    "ResponseFormat",
    "Role",
    "Text",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "Turn",
]

Role = Literal["system", "developer", "user", "assistant", "tool"]


@attrs.frozen
class Text:
    """Words."""

    text: str


@attrs.frozen
class Image:
    """A picture: at a URL (of ``http``, or ``data:`` with base64), or a file the upstream has.

    Attributes:
        url: where it is; empty where ``file_id`` says it.
        detail: how closely to look, ``auto``, ``low``, ``high``; None where nothing is said.
    """

    url: str = ""
    file_id: str = ""
    detail: str | None = None


@attrs.frozen
class File:
    """A document: a ``data:`` URL of base64, a URL, plain text, or a file that the upstream has.

    Attributes:
        url: where it is; empty where ``text`` or ``file_id`` says it.
        text: what it says, for one of plain text given as such.
        name: its name, None where it has none.
    """

    url: str = ""
    file_id: str = ""
    text: str = ""
    name: str | None = None


@attrs.frozen
class Audio:
    """Sound, as base64 with the word for its encoding, ``wav`` or ``mp3``."""

    data: str
    format: str


@attrs.frozen
class Refusal:
    """What the model said in place of an answer."""

    text: str


@attrs.frozen
class Reasoning:
    """What the model thought.

    Attributes:
        text: its thoughts, where they were given.
        summary: summaries of them, each a paragraph.
        sealed: the form of them that only the model's maker reads: a signature, or ciphertext.
        sealed_by: the API whose upstreams take ``sealed``; empty where there is none.
        redacted: nothing but ``sealed`` may be shown.
        id: the API's own name for it.
    """

    text: str = ""
    summary: tuple[str, ...] = ()
    sealed: str = ""
    sealed_by: Sealer = ""
    redacted: bool = False
    id: str = ""


@attrs.frozen
class ToolCall:
    """The model asks for a tool.

    Attributes:
        id: what the result refers to.
        arguments: as the model wrote them: JSON, or free text where ``free``.
        free: the tool takes text, not JSON.
        sealed: what the maker put on the call for itself, to be given back with it.
        sealed_by: the API whose upstreams take ``sealed``; empty where there is none.
    """

    id: str
    name: str
    arguments: str
    free: bool = False
    sealed: str = ""
    sealed_by: Sealer = ""


@attrs.frozen
class ToolResult:
    """What a tool gave back.

    Attributes:
        call_id: the call it belongs to.
        parts: texts, images and files.
        failed: the tool failed; None where nothing is said.
        free: it is the result of a call that took text.
    """

    call_id: str
    parts: tuple[Text | Image | File, ...]
    failed: bool | None = None
    free: bool = False


Part = Text | Image | File | Audio | Refusal | Reasoning | ToolCall | ToolResult


@attrs.frozen
class Turn:
    """What one side said: parts in order. Results of tools are turns of ``tool``, nothing else in
    them; turns of ``assistant`` have texts, refusals, reasoning and calls; the others texts,
    images, files and audio.

    Attributes:
        name: the participant's own name, where it is given.
    """

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None


@attrs.frozen
class Tool:
    """A function that the model may ask for.

    Attributes:
        parameters: the JSON schema of its arguments, None where it has none.
        strict: whether arguments must fit the schema; None where nothing is said.
        free: it takes text in place of arguments; ``grammar`` says which, where one is given.
        namespace: the first part of its name, for an API that has one apart; ``name`` is all of it.
    """

    name: str
    description: str | None = None
    parameters: dict[str, JSON] | None = None
    strict: bool | None = None
    free: bool = False
    grammar: dict[str, JSON] | None = None
    namespace: str = ""


@attrs.frozen
class ToolChoice:
    """Which tools may, or must, be asked for.

    Attributes:
        mode: ``named`` means exactly the one tool in ``names``.
        names: the tools that ``mode`` is about; empty for all.
    """

    mode: Literal["auto", "none", "required", "named"]
    names: tuple[str, ...] = ()


@attrs.frozen
class ResponseFormat:
    """The shape that the answer's text must have.

    Attributes:
        kind: ``json`` is any JSON object, ``schema`` one that fits ``schema``.
    """

    kind: Literal["text", "json", "schema"]
    schema: dict[str, JSON] | None = None
    name: str = "answer"
    description: str | None = None
    strict: bool | None = None


@attrs.frozen
class NeutralRequest:
    """A request. Its model is named by whoever sends it on.

    Attributes:
        api: the format it was read from, as ``chat``.
        turns: the conversation; the roles ``system`` and ``developer`` stand where they stood.
        tools: functions only; tools that run at the upstream belong to one API.
        parallel: whether several tools may be asked for at once; None where nothing is said.
        stream: the answer is wanted as it comes.
        settings: everything else, by the names in ``settings.py``; only what was given.
        strict: whether the model refuses what it could be asked without.
        dropped: the places of settings that were left behind; who writes the request adds to them.
    """

    api: str
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel: bool | None = None
    format: ResponseFormat | None = None
    stream: bool = False
    settings: dict[str, JSON] = attrs.field(factory=dict)
    strict: bool = False
    dropped: list[str] = attrs.field(factory=list, eq=False, repr=False)
