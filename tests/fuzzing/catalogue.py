"""All that is fuzzed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.fuzzing.targets import conversations, handshakes, inputs, members, models

if TYPE_CHECKING:
    from tests.fuzzing.target import Target

__all__ = ["TARGETS"]

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (members, handshakes, conversations, models, inputs)
    for target in module.TARGETS
}
