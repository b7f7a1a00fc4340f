"""One target under atheris, which looks for inputs that get further.

``python -m tests.fuzzing.guided NAME FOLDER [options of libFuzzer]``; the folder has the seeds,
and gets what was found. It ends as libFuzzer does, with 0 where nothing was wrong.
"""

from __future__ import annotations

import logging
import sys
from random import Random

import atheris

from tests.fuzzing.edits import edited, random_edits

PACKAGES = ("core", "control", "http", "mesh", "model_proxy", "relay")

with atheris.instrument_imports(include=[f"clawmatrix_{name}" for name in PACKAGES]):
    from tests.fuzzing.catalogue import TARGETS

__all__ = ["main"]


def main(name: str, *options: str) -> None:
    """Fuzz until libFuzzer's own limits are reached; does not return."""
    logging.getLogger("clawmatrix").addHandler(logging.NullHandler())
    target = TARGETS[name]
    seeds = target.seeds()

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < 0.3:
            changed: bytes = atheris.Mutate(data, most)
            return changed
        return edited(data, random_edits(random), seeds)[:most]

    def one(data: bytes) -> None:
        target.try_(data)

    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
