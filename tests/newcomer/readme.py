"""The README as a newcomer reads it: its commands, in their order."""

from __future__ import annotations

import re
from pathlib import Path

import attrs

__all__ = ["WAYS", "Readme", "is_install"]

PAGE = Path(__file__).parents[2] / "README.md"
WAYS = ("pipx", "uv", "a venv")
_INSTALLS = re.compile(r"apt |pipx install|uv tool install|\S*/pip install|python3 -m venv")
_PIPX = "pipx install 'clawmatrix[all]'"


@attrs.frozen
class Readme:
    """The part of the README that leads to the first answer.

    Attributes:
        first: commands on the machine that others can reach.
        invite: the command that makes an invitation.
        second: commands on the machine that joins.
        model: what is added to the configuration there.
        looks: commands for a look at the mesh, and the variables of programs.
        environment: commands that make what the program needs; the last one runs it.
        program: a program that asks for an answer.
    """

    first: tuple[str, ...]
    invite: str
    second: tuple[str, ...]
    model: str
    looks: tuple[str, ...]
    environment: tuple[str, ...]
    program: str

    @classmethod
    def read(cls) -> Readme:
        """Read the blocks of code."""
        part = _section(PAGE.read_text(), "Two machines in five minutes")
        blocks = re.findall(r"(?ms)^```(\w*)\n(.*?)^```", part)
        assert [kind for kind, _ in blocks] == ["", "", "", "toml", "", "python"]
        before = part.split("```python")[0].rpartition("```")[2]
        first, invite, second, model, looks, program = (text for _, text in blocks)
        return cls(
            tuple(_commands(first)),
            invite.strip(),
            tuple(_commands(second)),
            model,
            tuple(_commands(looks)),
            tuple(re.findall(r"`([^`]+)`", before)),
            program,
        )

    @staticmethod
    def ways() -> dict[str, tuple[str, ...]]:
        """Return the commands that install the program, by way, on Debian."""
        part = _section(PAGE.read_text(), "Two machines in five minutes")
        bullets = re.findall(r"(?ms)^- \*\*([^*]+)\*\*: (.*?)(?=^- |^\n)", part)
        found = {name: re.findall(r"`([^`]+)`", " ".join(text.split())) for name, text in bullets}
        assert tuple(found) == WAYS
        found["pipx"] = [*_without_brew(found["pipx"]), _PIPX]
        # What Debian lacks is installed before it is used.
        found["a venv"].sort(key=lambda command: not command.startswith("apt "))
        return {name: tuple(commands) for name, commands in found.items()}

    def after_install(self, commands: tuple[str, ...]) -> tuple[str, ...]:
        """Return commands of a block without the first one, which installs the program."""
        assert commands[0] == _PIPX
        return commands[1:]


def is_install(command: str) -> bool:
    """Say whether a command fetches something, for which a machine needs the network."""
    return (
        re.match(r"apt |pipx install|uv tool install|\S*/pip install|python3 -m venv", command)
        is not None
    )


def _section(page: str, heading: str) -> str:
    return page.split(f"## {heading}\n")[1].split("\n## ")[0]


def _commands(block: str) -> list[str]:
    return [line.partition("  #")[0].strip() for line in block.strip().split("\n")]


def _without_brew(commands: list[str]) -> list[str]:
    return [command for command in commands if not command.startswith("brew ")]
