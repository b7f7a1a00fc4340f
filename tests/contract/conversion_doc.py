"""Writes the tables in docs/conversion.md, and one in docs/model-apis.md, from the code.

``python tests/contract/conversion_doc.py`` rewrites the files; a test holds them equal.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.chat import fields as chat_fields
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.messages import fields as messages_fields
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.convert.responses import fields as responses_fields
from clawmatrix_model_proxy.neutral.rules import SchemaRules
from clawmatrix_model_proxy.neutral.settings import SETTINGS, Setting

if TYPE_CHECKING:
    from collections.abc import Callable

    from clawmatrix_model_proxy.neutral.losses import Loss
    from clawmatrix_model_proxy.neutral.request_fields import Field
    from clawmatrix_model_proxy.neutral.rules import ApiRules, Words

FILE = Path(__file__).parents[2] / "docs" / "conversion.md"
APIS_FILE = FILE.with_name("model-apis.md")
SETTINGS_MARK, FIELDS_MARK, LOSSES_MARK, RULES_MARK = "settings", "fields", "losses", "rules"
_NAMES = ("chat", "responses", "messages")
FIELDS = {
    "chat completions": chat_fields.FIELDS,
    "Responses": responses_fields.FIELDS,
    "Messages": messages_fields.FIELDS,
}
APIS = {"chat completions": chat, "Responses": responses, "Messages": messages}


def settings() -> str:
    """Return the table of settings."""
    lines = [
        "| chat completions | Responses | Messages | where it has no place |",
        "|---|---|---|---|",
    ]
    lines += [_setting(setting) for setting in SETTINGS]
    return "\n".join(lines) + "\n"


def _setting(setting: Setting) -> str:
    places = (setting.place(api) for api in _NAMES)
    cells = [f"`{place}`" if place else "" for place in places]
    read = {api: f"`{place}`" for api, place in setting.also.items()}
    cells = [cell or read.get(api, "") for api, cell in zip(_NAMES, cells, strict=True)]
    lost = setting.loss if "" in cells or read else ""
    note = ": ".join(part for part in (lost, setting.why) if part)
    if lost in ("refused", "hint") and setting.idle:
        note += " (unless " + " or ".join(f"`{value}`" for value in setting.idle) + ")"
    return "| " + " | ".join([*cells, note]) + " |"


def fields() -> str:
    """Return the tables of the fields of requests, by API."""
    parts = []
    for name, table in FIELDS.items():
        groups: dict[str, list[str]] = {}
        for field in table:
            if field.fate != "setting":
                groups.setdefault(_fate(field), []).append(f"`{field.path}`")
        lines = [f"### Fields of {name}", "", "| what becomes of it | field |", "|---|---|"]
        lines += [f"| {fate} | {', '.join(paths)} |" for fate, paths in sorted(groups.items())]
        parts += [*lines, ""]
    return "\n".join(parts[:-1]) + "\n"


def _fate(field: Field) -> str:
    idle = " or ".join(f"`{json.dumps(value)}`" for value in field.idle)
    unless = f" (unless {idle})" if idle and field.fate == "refused" else ""
    return f"{field.fate}{f': {field.why}' if field.why else ''}{unless}"


def losses() -> str:
    """Return the lists of what is left behind, by API."""
    parts = []
    for name, codec in APIS.items():
        parts += [f"### Written as {name}", "", _losses(codec.LOSSES)]
        parts += [f"### Read from {name}", "", _losses(codec.UNREAD)]
    return "\n".join(parts)


def _losses(losses: tuple[Loss, ...]) -> str:
    lines = ["| what | |", "|---|---|"]
    lines += [f"| {loss.what} | {loss.why} |" for loss in losses]
    return "\n".join(lines) + "\n"


def rules() -> str:
    """Return the table of what each API refuses, and of what is done about it."""
    lines = ["| of a request | chat completions | Responses | Messages | otherwise |"]
    lines.append("|---|---|---|---|---|")
    for name, tell, done in _RULES:
        cells = [tell(codec.CODEC.rules) for codec in APIS.values()]
        lines.append("| " + " | ".join([name, *cells, done]) + " |")
    return "\n".join(lines) + "\n"


def _words(words: Words | None) -> str:
    if words is None:
        return ""
    letters = "printable ASCII" if words.letters == "!-~" else "`A-Z`, `a-z`, `0-9`, `_`, `-`"
    return f"{words.most} of {letters}"


def _stops(rules: ApiRules) -> str:
    assert rules.stops is not None
    most = f"{rules.stops.most} at most" if rules.stops.most else "none"
    return most if rules.stops.blank else f"{most}, none of white space alone"


def _schema(rules: ApiRules) -> str:
    schemas = rules.schemas or SchemaRules()
    parts = {
        "`type`": schemas.typed,
        "`properties`": schemas.properties,
        "`items` of arrays": schemas.items,
        "no `anyOf`, `oneOf`, `allOf`, `$ref` outermost": schemas.plain,
    }
    return ", ".join(part for part, wanted in parts.items() if wanted)


def _strict(rules: ApiRules) -> str:
    schemas = rules.schemas or SchemaRules()
    if schemas.all_required:
        return "all properties required, no others allowed"
    return "no other properties allowed" if schemas.closed else ""


def _range(name: str) -> Callable[[ApiRules], str]:
    def tell(rules: ApiRules) -> str:
        found = rules.ranges.get(name)
        if found is None:
            return ""
        return f"from {found.least:g}" if found.most == math.inf else f"to {found.most:g}"

    return tell


def _length(name: str) -> Callable[[ApiRules], str]:
    return lambda rules: f"{rules.lengths[name]} characters" if name in rules.lengths else ""


def _thinking(rules: ApiRules) -> str:
    found = rules.thinking
    if found is None:
        return ""
    ranges = [
        f"a `{name}` of other than {one.least:g}" + ("" if one.least == one.most else " and more")
        for name, one in found.sampling.items()
    ]
    absent = [f"`{name}`" for name in found.absent]
    return ", ".join(["not with a tool that must be asked for", *ranges, *absent])


_HASHED = "the beginning and a hash of it; what differs stays different"
_RULES: tuple[tuple[str, Callable[[ApiRules], str], str], ...] = (
    ("ids of calls, each there once", lambda rules: _words(rules.call_ids), _HASHED),
    (
        "names of tools",
        lambda rules: _words(rules.tool_names),
        f"{_HASHED}; answers have the client's name again",
    ),
    ("names of an answer's shape", lambda rules: _words(rules.format_names), _HASHED),
    ("who asks: `user`, `metadata.user_id`", _length("user"), "a hash of it"),
    ("`safety_identifier`", _length("safety_identifier"), "a hash of it"),
    ("`prompt_cache_key`", _length("prompt_cache_key"), "a hash of it"),
    ("the limit of tokens", _range("max_tokens"), "the nearest"),
    ("`temperature`", _range("temperature"), "the nearest, which is told"),
    (
        "`temperature` and `top_p`",
        lambda rules: "one of them" if rules.together else "",
        "`top_p` is dropped, which is told unless it is 1",
    ),
    ("sequences that stop the answer", _stops, "this node cuts the text"),
    (
        "JSON without a schema",
        lambda rules: "" if rules.json else "not there",
        "this node looks at the answer",
    ),
    (
        "the schema of a tool",
        _schema,
        "what is missing is added; branches are put together, which allows more than they do",
    ),
    (
        "a strict schema",
        _strict,
        "closed for Messages, not strict for the others",
    ),
    ("thinking", _thinking, "no thinking; the effort is told all the same"),
    (
        "a budget of thoughts",
        lambda rules: "" if rules.thinking is None else f"from {rules.thinking.budget}",
        "the nearest, below the limit of tokens",
    ),
)


def names() -> str:
    """Return the table of settings by their own names."""
    lines = ["| setting | in a client's request | without a place |", "|---|---|---|"]
    for setting in SETTINGS:
        places = ", ".join(f"`{place}`" for place in dict.fromkeys(setting.places.values()))
        lines.append(f"| `{setting.name}` | {places} | {setting.loss} |")
    return "\n".join(lines) + "\n"


def whole() -> str:
    """Return the page on conversion with the tables made new."""
    made = _remade(FILE.read_text(), SETTINGS_MARK, settings())
    made = _remade(made, RULES_MARK, rules())
    made = _remade(made, FIELDS_MARK, fields())
    return _remade(made, LOSSES_MARK, losses())


def whole_apis() -> str:
    """Return the page on model APIs with its table made new."""
    return _remade(APIS_FILE.read_text(), SETTINGS_MARK, names())


def _remade(text: str, mark: str, made: str) -> str:
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
    head, rest = text.split(begin)
    return head + begin + made + end + rest.split(end)[1]


if __name__ == "__main__":
    FILE.write_text(whole())
    APIS_FILE.write_text(whole_apis())
