"""Writes the tables in docs/conversion.md, and one in docs/model-apis.md, from the code.

``python tests/contract/conversion_doc.py`` rewrites the files; a test holds them equal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.chat import fields as chat_fields
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.messages import fields as messages_fields
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.convert.responses import fields as responses_fields
from clawmatrix_model_proxy.neutral.settings import SETTINGS, Setting

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.losses import Loss
    from clawmatrix_model_proxy.neutral.request_fields import Field

FILE = Path(__file__).parents[2] / "docs" / "conversion.md"
APIS_FILE = FILE.with_name("model-apis.md")
SETTINGS_MARK, FIELDS_MARK, LOSSES_MARK = "settings", "fields", "losses"
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
    places = (setting.place(api) for api in ("chat", "responses", "messages"))
    cells = [f"`{place}`" if place else "" for place in places]
    lost = setting.loss if "" in cells else ""
    note = ": ".join(part for part in (lost, setting.why) if part)
    if lost == "refused" and setting.idle:
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
