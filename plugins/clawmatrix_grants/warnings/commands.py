"""Commands that are as good as a shell: programs that run others, or that a caller can write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from clawmatrix_grants.globs import ANYTHING, Glob
from clawmatrix_grants.programs import DEFAULT_PATH, PROGRAM_TOOL, resolve_program
from clawmatrix_grants.warnings.entries import entries_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_grants.config import GrantsConfig
    from clawmatrix_grants.tool_shapes import ToolShape
    from clawmatrix_grants.warnings.entries import Entry, Warned

__all__ = ["WRAPPERS", "warn_of_commands"]

_WRAPPERS = """
    ansible* ash awk bash bun bundle busybox cargo chroot chrt cmake cpan csh dash deno docker doas
    ed emacs env ex expect fakeroot find fish flock gawk gdb gem git go gradle ionice java julia
    kubectl less ld.so ld-linux* lua* make man mawk mvn nano nice ninja nmap node nodejs nohup npm
    npx nsenter osascript parallel perl* php* pip* pipx pnpm podman poetry psql pwsh pypy* python*
    rake rlwrap rpm rsync ruby* runuser screen script sed setarch setpriv setsid sh socat sqlite3
    ssh start-stop-daemon stdbuf strace su sudo systemd-run tar taskset tclsh time timeout tmux
    unshare uv uvx vi vim watch xargs yarn zip zsh
"""
WRAPPERS: Final = tuple(_WRAPPERS.split())
"""Programs that run whatever their arguments say, or what a file says that a caller may write."""
_CODE: Final = frozenset({"-c", "-e", "-E", "-r", "-x", "-exec", "-p", "--eval", "--command"})
"""Options behind which a program takes code."""
_FREE: Final = frozenset({"*", ANYTHING})


def warn_of_commands(
    config: GrantsConfig, shapes: Sequence[ToolShape], now: float, path: str = DEFAULT_PATH
) -> Iterator[Warned]:
    """Yield the rules that allow commands with which a caller can run anything.

    A rule that allows ``exec`` without a condition says so itself, and is left out. ``path`` is
    where bare names of programs are looked up.
    """
    folders = [folder for shape in shapes for folder in shape.writable]
    for entry in entries_of(config, now):
        conditional = entry.effect == "allow" and entry.kind == "tools" and entry.when
        if conditional and entry.names(PROGRAM_TOOL):
            yield from _look(entry, folders, path)


def _look(entry: Entry, folders: Sequence[str], path: str) -> Iterator[Warned]:
    if "argv" not in entry.when:
        words = "allows any program with any arguments: as good as a shell"
        yield (*entry.path, "when"), words
        return
    programs, rest = _split(entry.when["argv"].value)
    place = (*entry.path, "when", "argv")
    for program in programs:
        if _is_free(rest) and (wrapper := _wrapper(program)) is not None:
            words = f'"{wrapper}" runs whatever its arguments say, and they are free'
            yield place, f"{words}: as good as a shell"
        if (folder := _writable(program, folders, path)) is not None:
            words = f'"{program}" is in {folder}, where callers can write'
            yield place, f"{words}: as good as a shell"


def _split(argv: object) -> tuple[list[str], list[list[str]]]:
    """Return which programs a condition on ``argv`` lets run, and which arguments, one by one."""
    if not isinstance(argv, list | tuple) or not argv:
        return ([ANYTHING], [[ANYTHING]]) if argv == ANYTHING else ([], [])
    first, *rest = [_choices(item) for item in argv]
    return first, [[ANYTHING]] if ANYTHING in first and not rest else rest


def _choices(item: object) -> list[str]:
    items = item if isinstance(item, list | tuple) else [item]
    return [one for one in items if isinstance(one, str)]


def _is_free(rest: Sequence[Sequence[str]]) -> bool:
    """Say whether the first arguments, or code behind an option, may be anything."""
    for number, choices in enumerate(rest):
        if _FREE.intersection(choices):
            return number == 0 or bool(_CODE.intersection(rest[number - 1]))
    return False


def _wrapper(program: str) -> str | None:
    """Return a program that runs others and that a pattern lets run, None where it lets none."""
    name = Glob(os.path.basename(program) if program != ANYTHING else "*")
    for wrapper in WRAPPERS:
        if name.fixed is not None and Glob(wrapper).matches(name.fixed):
            return name.fixed
        if name.fixed is None and name.matches(wrapper.rstrip("*")):
            return wrapper.rstrip("*")
    return None


def _writable(program: str, folders: Sequence[str], path: str) -> str | None:
    fixed = Glob(program).fixed
    if fixed is None:
        head = program[: min(program.find(one) % (len(program) + 1) for one in "*?[")]
        found = os.path.dirname(head)
    else:
        try:
            found = resolve_program(fixed, path)
        except (LookupError, ValueError):
            return None
    real = [os.path.realpath(folder) for folder in folders]
    return next((one for one in real if f"{found}/".startswith(f"{one}/")), None)
