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
    ansible* ash at awk bash batch bpython* bun bundle busybox bwrap cabal cargo cgexec chronic
    chroot chrt cmake composer conda coverage cpan crontab csh csi ctest dash dbus-run-session dc
    deno direnv doas docker dotnet ed emacs entr env ex expect fab fakeroot fd fdfind find firejail
    fish flock gawk gdb gem git go gosu gradle gradlew gunicorn hatch hg hyperfine invoke ionice ip
    ipython* java julia jupyter* just kubectl ld-linux* ld.so less linux32 linux64 ltrace lua* m4
    make man mawk meson mosh mvn mvnw mypy mysql nano nice ninja nmap node nodejs nohup nox npm npx
    nsenter numactl osascript parallel pdm perl* php* pip* pipx pkexec pnpm podman poetry
    pre-commit prlimit psql pwsh py.test pypy* pytest* python* rake rg rlwrap rpm rsh rsync ruby*
    run-parts runuser rustup scp screen script sed setarch setpriv setsid sftp sg sh socat sort
    split sqlite3 ssh stack start-stop-daemon stdbuf strace su sudo svn systemd-run tar task
    taskset tclsh tcpdump time timeout tmux tox unbuffer unshare uv uvicorn uvx uwsgi valgrind vi
    vim watch xargs xvfb-run yarn zip zsh
"""
WRAPPERS: Final = tuple(_WRAPPERS.split())
"""Programs that run whatever their arguments say, or what a file says that a caller may write."""
_SHELL: Final = "shell"
"""The tool whose argument ``command`` is a line for a shell."""
_TARGETS: Final = frozenset({"make", "ninja", "rake"})
"""Those that take names of targets, and no command, where no option is before them."""
_WORDS: Final = frozenset({("git", "-m"), ("git", "--message")})
"""Options of programs behind which there is text, and never an option or a command."""


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
        elif conditional and entry.names(_SHELL):
            yield from _look_at_shell(entry)


def _look_at_shell(entry: Entry) -> Iterator[Warned]:
    condition = entry.when.get("command")
    if condition is None:
        yield (*entry.path, "when"), "allows any command"
    elif isinstance(condition.value, str) and Glob(condition.value).fixed is None:
        words = f'"{condition.value}" lets callers write more commands: as good as any command'
        yield (*entry.path, "when", "command"), words


def _look(entry: Entry, folders: Sequence[str], path: str) -> Iterator[Warned]:
    if "argv" not in entry.when:
        words = "allows any program with any arguments: as good as a shell"
        yield (*entry.path, "when"), words
        return
    programs, rest = _split(entry.when["argv"].value)
    place = (*entry.path, "when", "argv")
    for program in programs:
        wrapper = _wrapper(program)
        if wrapper is not None and _is_free(wrapper, rest):
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


def _is_free(wrapper: str, rest: Sequence[Sequence[str]]) -> bool:
    """Say whether a caller can fill in an option, a command or the name of a script."""
    if rest and ANYTHING in rest[-1]:
        return True
    before = [[], *rest]
    return any(
        not _is_named(wrapper, number, before[number], one)
        for number, choices in enumerate(rest)
        for one in choices
        if Glob(one).fixed is None
    )


def _is_named(wrapper: str, number: int, before: Sequence[str], pattern: str) -> bool:
    """Say whether a pattern stands for names or text, and for no option, command or file."""
    if before and all((wrapper, one) in _WORDS for one in before):
        return True
    prefix = Glob(pattern).prefix
    names = wrapper in _TARGETS or (wrapper == "git" and number == 1)
    return (
        names
        and bool(prefix)
        and not any(one.startswith("-") for one in (prefix, *before))
        and "=" not in prefix
    )


def _wrapper(program: str) -> str | None:
    """Return a program that runs others and that a pattern lets run, None where it lets none."""
    name = Glob(os.path.basename(program) if program != ANYTHING else "*")
    for wrapper in WRAPPERS:
        stem = wrapper.rstrip("*")
        if name.fixed is not None and Glob(wrapper).matches(name.fixed):
            return name.fixed
        versioned = stem != wrapper and name.prefix.startswith(stem)
        if name.fixed is None and (versioned or name.matches(stem)):
            return stem
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
