"""What every test asks for, whichever SDK it uses."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["CITIES", "PNG", "SCHEMA", "weather"]

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
    "gg=="
)
"""A picture of one pixel."""

SCHEMA: dict[str, Any] = {
    "description": "Says what the weather is.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}

CITIES = {
    "what is the weather?": "They say: rain in Oslo.",
    "the weather, politely": "They say: rain in Oslo.",
    "the weather here and there": "They say: rain in Oslo and sun in Rome.",
}
"""Questions that take a tool, and the answers made of its results."""


def weather(arguments: str) -> str:
    """Return the result of the tool."""
    city = json.loads(arguments)["city"]
    return f"{'rain' if city == 'Oslo' else 'sun'} in {city}"
