"""``clawmatrix help``: short texts about the first questions of newcomers."""

from __future__ import annotations

import click

from clawmatrix_core.cli.topics import TOPICS

__all__ = ["help_"]


@click.command("help", epilog="Example: clawmatrix help two-machines")
@click.argument("topic", nargs=-1)
def help_(topic: tuple[str, ...]) -> None:
    """Explain a TOPIC in a few lines; `clawmatrix help topics` lists all topics.

    For the options of a command, use `clawmatrix COMMAND --help`.
    """
    name = "-".join(topic).lower().removeprefix("a-")
    if name in ("", "topics"):
        click.echo(_listed(), nl=False)
    elif name in TOPICS:
        click.echo(TOPICS[name], nl=False)
    else:
        known = ", ".join(TOPICS)
        told = f"no topic {' '.join(topic)!r}: the topics are {known}"
        raise click.UsageError(f"{told}; for a command, write `clawmatrix COMMAND --help`")


def _listed() -> str:
    """Return a line for each topic, with its summary."""
    width = max(map(len, TOPICS))
    summaries = {name: text.splitlines()[0] for name, text in TOPICS.items()}
    lines = [f"{name:{width}}  {summary}\n" for name, summary in summaries.items()]
    return "".join([*lines, "\nRead one: clawmatrix help TOPIC\n"])
