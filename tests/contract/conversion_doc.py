"""Writes the tables in docs/conversion.md from the code.

``python tests/contract/conversion_doc.py`` rewrites the file; a test holds it equal.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from clawmatrix_model_proxy.convert.chat import codec as chat
from clawmatrix_model_proxy.convert.messages import codec as messages
from clawmatrix_model_proxy.convert.responses import codec as responses
from clawmatrix_model_proxy.neutral.settings import SETTINGS, Setting

if TYPE_CHECKING:
    from clawmatrix_model_proxy.neutral.losses import Loss

FILE = Path(__file__).parents[2] / "docs" / "conversion.md"
SETTINGS_MARK, LOSSES_MARK = "settings", "losses"
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


def whole() -> str:
    """Return the file with the tables made new."""
    text = FILE.read_text()
    for mark, made in ((SETTINGS_MARK, settings()), (LOSSES_MARK, losses())):
        begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
        head, rest = text.split(begin)
        text = head + begin + made + end + rest.split(end)[1]
    return text


if __name__ == "__main__":
    FILE.write_text(whole())
