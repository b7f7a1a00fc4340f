"""Each field that an official SDK can send is carried, refused by name, or dropped as a table says.

A field of a new release that is in no table fails by its name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.chat.fields import FIELDS as CHAT
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.messages.fields import FIELDS as MESSAGES
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.convert.responses.fields import FIELDS as RESPONSES
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request_fields import Field, field_of
from clawmatrix_model_proxy.neutral.settings import SETTINGS
from tests.contract.sdk_fields import SdkField, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_model_proxy.neutral.codec import Codec
    from clawmatrix_model_proxy.neutral.request import NeutralRequest

TABLES = {"chat": CHAT, "responses": RESPONSES, "messages": MESSAGES}
CODECS: dict[str, Codec] = {
    codec.name: codec for codec in (chat.CODEC, responses.CODEC, messages.CODEC)
}
APIS = list(TABLES)
NAMED_ELSEWHERE = ("model",)
"""Fields that are carried by whoever sends a request, not by the codecs."""
SPELLINGS = (
    "tools[]<custom>.type",
    "input[]<message EasyInputMessageParam>.type",
    "input[]<message Message>.type",
)
"""Fields whose one value may be left out."""
COMPANIONS: dict[str, dict[str, Any]] = {
    "input_image": {"image_url": "https://example.com/a.png"},
    "input_file": {"file_id": "file_1"},
    "function_call_output": {"call_id": "call_1"},
    "reasoning": {"summary": [{"type": "summary_text", "text": "word"}]},
}
ONE_OF = ("image_url", "file_id", "file_data", "file_url")
"""What an object of a type must have, and the SDK's types do not say."""
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    ("chat", "top_logprobs"): {"logprobs": True},
    ("responses", "top_logprobs"): {"include": ["message.output_text.logprobs"]},
    ("responses", "stream_options.include_obfuscation"): {"stream": True},
}
"""Settings without which another says nothing."""


def read(api: str, body: dict[str, Any], path: str) -> NeutralRequest | Unsupported:
    body.pop("model", None)
    if api == "responses":
        body.setdefault("input", "word")
    body |= BESIDE.get((api, path), {})
    _complete(body)
    try:
        return CODECS[api].read_request(body)
    except Unsupported as refusal:
        return refusal


_FOUND: dict[str, dict[str, SdkField]] = {}


def fields_of_cached(api: str) -> dict[str, SdkField]:
    if api not in _FOUND:
        _FOUND[api] = fields_of(api)
    return _FOUND[api]


def _complete(value: Any) -> None:
    """Add what an object of its type must have."""
    if isinstance(value, list):
        for one in value:
            _complete(one)
    elif isinstance(value, dict):
        kind = str(value.get("type"))
        if kind == "allowed_tools":
            _complete_allowed(value)
        if kind == "file" and not any(value.get("file", {"file_id": 1}).get(n) for n in ONE_OF):
            value["file"]["file_id"] = "file_1"
        for name, given in COMPANIONS.get(kind, {}).items():
            there = ONE_OF if name in ONE_OF else (name,)
            if not any(value.get(other) for other in there):
                value[name] = given
        for inner in value.values():
            _complete(inner)


def _complete_allowed(choice: dict[str, Any]) -> None:
    inner = choice.get("allowed_tools", choice)
    name = {"name": f"tool{inner['tools'][0].get('word', 0)}"}
    nested = inner is not choice
    inner["tools"] = [{"type": "function", **({"function": name} if nested else name)}]


def outcomes(api: str, field: SdkField) -> Iterator[tuple[Any, str, str]]:
    """Give what becomes of each value of a field: the value, its fate, and what was named."""
    told = [read(api, field.body(at), field.path) for at in range(max(field.values, 2))]
    base = None if field.required else read(api, field.without(), field.path)
    for at, one in enumerate(told):
        value = _value_at(field, at)
        if isinstance(one, Unsupported):
            yield value, "refused", one.param
        elif field.required:
            others = [other for number, other in enumerate(told) if number != at]
            yield value, "dropped" if one in others and not field.fixed else "carried", ""
        else:
            yield value, "dropped" if one == base else "carried", ""


def _value_at(field: SdkField, variant: int) -> Any:
    value: Any = field.body(variant)
    for step in field.path.split("."):
        while isinstance(value, list):
            value = value[0]
        value = value[step.split("<")[0].split("[")[0]]
    return value


def names(param: str, path: str) -> bool:
    """Say whether a refusal names a field, or the object that has it."""
    plain = "".join(part.partition(">")[2] or part for part in path.replace("[]", "[0]").split("<"))
    root = param.split("[")[0].split(".")[0]
    return plain.startswith(param.rstrip("]0[")) or param.startswith(plain) or root in plain


# --- the tables


@pytest.mark.parametrize("api", APIS)
def test_each_field_of_the_sdk_is_in_the_table(api: str) -> None:
    table = TABLES[api]
    unknown = [path for path in fields_of_cached(api) if field_of(table, path) is None]
    assert not unknown, f"in no table: {unknown}"


@pytest.mark.parametrize("api", APIS)
def test_each_row_of_the_table_is_a_field(api: str) -> None:
    extra = ("messages*.cache_control", "max_tokens", "stream", "tools[]<*>.type")
    places = {setting.places.get(api) for setting in SETTINGS}
    found = {id(field_of(TABLES[api], path)) for path in fields_of_cached(api)}
    idle = [
        row.path
        for row in TABLES[api]
        if id(row) not in found and row.path not in places and row.path not in extra
    ]
    assert not idle, f"no SDK has {idle}"


@pytest.mark.parametrize("api", APIS)
def test_what_the_table_says_is_what_becomes_of_a_field(api: str) -> None:
    wrong = []
    for path, field in fields_of_cached(api).items():
        row = field_of(TABLES[api], path)
        if row is None or path in NAMED_ELSEWHERE or path in SPELLINGS:
            continue
        wrong += [f"{path}: {said}" for said in _wrong(api, row, field)]
    assert not wrong, "\n".join(wrong)


def _wrong(api: str, row: Field, field: SdkField) -> list[str]:
    """Return what is not as the row says."""
    found = list(outcomes(api, field))
    fates = {fate for _, fate, _ in found}
    said = [
        f"refused as {param}" for _, _, param in found if param and not names(param, field.path)
    ]
    if row.fate == "dropped" and fates != {"dropped"} and not field.fixed:
        said.append(f"{sorted(fates)}, not dropped")
    if row.fate == "refused":
        passed = [value for value, fate, _ in found if fate != "refused" and value not in row.idle]
        said += [f"{value!r} passes" for value in passed]
    if row.fate in ("carried", "setting"):
        if row.fate == "carried" and "carried" not in fates:
            said.append(f"{sorted(fates)}, not carried")
        said += [
            f"{value!r} is dropped silently"
            for value, fate, _ in found
            if _is_lost(row, value, fate)
        ]
    return said


def _is_lost(row: Field, value: Any, fate: str) -> bool:
    idle = [
        one for setting in SETTINGS if row.path in setting.places.values() for one in setting.idle
    ]
    return fate == "dropped" and value not in (*row.idle, *idle)
