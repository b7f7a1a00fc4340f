"""Tries one use of a client after another, and prints what came of each as JSON.

The programs that import this run in a Python of the client's own, which has nothing of ours.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

URL, TOKEN = os.environ["URL_OF_NODE"], os.environ["TOKEN"]
ROOT = URL.removesuffix("/v1")
"""The node's address as Anthropic's clients want it."""
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg"
    "gg=="
)
SUMMARY = "Six sevens, so forty-two."
"""What the model thinks before it says "It is 42."."""


def weather(city: str) -> str:
    """Return what the tool of the tests finds out."""
    return f"{'rain' if city == 'Oslo' else 'sun'} in {city}"


def report(packages: list[str], uses: dict[str, Callable[[], Any]]) -> None:
    """Run each use, and print the versions that ran and what went wrong, None where nothing did."""
    found: dict[str, str | None] = {}
    with asyncio.Runner() as runner:  # one loop for all: clients keep their connections
        for name, use in uses.items():
            try:
                done = use()
                if inspect.iscoroutine(done):
                    runner.run(done)
                found[name] = None
            except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
                found[name] = f"{type(error).__name__}: {error}"[:2000]
    print(json.dumps({"versions": {name: version(name) for name in packages}, "found": found}))
