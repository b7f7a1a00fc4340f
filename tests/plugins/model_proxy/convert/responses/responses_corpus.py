"""The golden corpus of the Responses API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["ANSWERS", "REQUESTS", "STREAMS"]

_ROOT = Path(__file__).parents[4] / "data" / "models" / "responses"


def _loaded(kind: str) -> dict[str, Any]:
    files = sorted((_ROOT / kind).glob("*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def _streams() -> dict[str, list[dict[str, Any]]]:
    files = sorted((_ROOT / "streams").glob("*.jsonl"))
    return {f.stem: [json.loads(line) for line in f.read_text().splitlines()] for f in files}


REQUESTS: dict[str, dict[str, Any]] = _loaded("requests")
ANSWERS: dict[str, dict[str, Any]] = _loaded("answers")
STREAMS: dict[str, list[dict[str, Any]]] = _streams()
"""By name; those whose name begins with ``odd_`` are what servers give that are not OpenAI's.
A stream is the data of its events."""
