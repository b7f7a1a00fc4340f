"""Each field that an official SDK can send is carried, refused by name, or dropped as a table says.

A field of a new release that is in no table fails by its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable  # noqa: TC003 - a TypedDict here has it
from typing import TYPE_CHECKING, Any, Literal, Required

import attrs
import pytest
from typing_extensions import TypedDict

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.chat.fields import FIELDS as CHAT
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.messages.fields import FIELDS as MESSAGES
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.convert.responses.fields import FIELDS as RESPONSES
from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.request import Text, Turn
from clawmatrix_model_proxy.neutral.request_fields import Field, field_of
from clawmatrix_model_proxy.neutral.settings import SETTINGS
from tests.contract.sdk_fields import SdkField, fields_of, walked

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
LESS_THERE = (
    "store",
    "stream_options.include_obfuscation",
    "stream_options.include_usage",
)
"""Fields that need not be written where another API has them: the table says when they are."""
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
    ("responses", "reasoning.summary"): {"reasoning": {"effort": "high"}},
    ("responses", "stream_options.include_obfuscation"): {"stream": True},
}
"""Settings without which another says nothing."""


def read(api: str, body: dict[str, Any], path: str) -> NeutralRequest | Unsupported:
    body.pop("model", None)
    if api == "responses":
        body.setdefault("input", "word")
    for name, value in BESIDE.get((api, path), {}).items():
        body[name] = {**value, **body.get(name, {})} if isinstance(value, dict) else value
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


# --- written


def written(request: NeutralRequest, target: str) -> Any:
    """Return a request for an upstream of an API, or what it is refused for as a text."""
    request = attrs.evolve(request, turns=(Turn("user", (Text("word"),)),))
    try:
        return CODECS[target].write_request(request, max_tokens=9)
    except Unsupported as refusal:
        return refusal.param


@pytest.mark.parametrize(
    ("api", "target"), [(api, target) for api in APIS for target in APIS if api != target]
)
def test_a_setting_is_written_refused_or_dropped_as_the_table_says(api: str, target: str) -> None:
    wrong = []
    for path, field in fields_of_cached(api).items():
        setting = next((one for one in SETTINGS if _is_of(path, one.place(api))), None)
        if setting is None or field.fixed or path == "include":  # two settings are there
            continue
        base = read(api, field.without() if not field.required else {}, path)
        for at in range(max(field.values, 2)):
            told, value = read(api, field.body(at), path), _value_at(field, at)
            if isinstance(told, Unsupported) or isinstance(base, Unsupported):
                continue
            out = written(told, target)
            lost = not isinstance(out, str) and out == written(base, target)
            idle = value in setting.idle or told.settings == base.settings
            has_place = setting.place(target) is not None and path not in LESS_THERE
            if lost and not idle and (has_place or setting.loss == "refused"):
                wrong.append(f"{path}: {value!r}")
    assert not wrong, "\n".join(wrong)


def _is_of(path: str, place: str | None) -> bool:
    plain = re.sub("<[^>]*>", "", path)
    return place is not None and (plain == place or plain.startswith(f"{place}."))


def test_a_field_that_nobody_knows_is_refused_by_its_name() -> None:
    item = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    bodies: dict[str, list[tuple[dict[str, Any], str]]] = {
        "chat": [
            ({"messages": [{"role": "user", "content": "Hi"}], "novel": 1}, "novel"),
            ({"messages": [{"role": "user", "content": "Hi", "novel": 1}]}, "messages[0].novel"),
        ],
        "responses": [
            ({"input": "Hi", "novel": 1}, "novel"),
            ({"input": "Hi", "reasoning": {"novel": 1}}, "reasoning.novel"),
            ({"input": [{**item, "novel": 1}]}, "input[0].novel"),
            (
                {"input": [{"role": "user", "content": [{"type": "input_text", "n": 1}]}]},
                "input[0].content[0].n",
            ),
        ],
        "messages": [
            ({"messages": [{"role": "user", "content": "Hi"}], "novel": 1}, "novel"),
            ({"messages": [], "thinking": {"type": "adaptive", "novel": 1}}, "thinking.novel"),
        ],
    }
    for api, cases in bodies.items():
        for body, param in cases:
            with pytest.raises(Unsupported) as refused:
                CODECS[api].read_request(body)
            assert refused.value.param == param


# --- the walk itself


class Inner(TypedDict, total=False):
    kind: Required[Literal["a", "b"]]
    more: str


class Novel(TypedDict, total=False):
    words: str
    inner: Inner
    several: Iterable[Inner | None]


def test_a_field_of_a_new_release_is_found() -> None:
    found = {field.path: field for field in walked(Novel)}
    assert list(found) == ["words", "inner.kind", "inner.more", "several[].kind", "several[].more"]
    assert found["several[].more"].body() == {"several": [{"kind": "a", "more": "word0"}]}
    assert found["several[].more"].without() == {"several": [{"kind": "a"}]}
    assert found["inner.kind"].body(1) == {"inner": {"kind": "b"}}
    assert [path for path in found if field_of(CHAT, path) is None] == list(found)
