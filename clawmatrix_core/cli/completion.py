"""``clawmatrix completion``: what a shell needs to complete commands, options and file names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["VARIABLE", "completion"]

VARIABLE = "_CLAWMATRIX_COMPLETE"
"""The variable by which a shell's script asks the program for completions."""

_PLACES = {
    "bash": "~/.local/share/bash-completion/completions/clawmatrix",
    "zsh": "a folder of $fpath, as _clawmatrix",
    "fish": "~/.config/fish/completions/clawmatrix.fish",
}


@click.command(epilog="Example: clawmatrix completion fish | source")
@click.argument("shell", type=click.Choice(sorted(_PLACES)))
def completion(shell: str) -> None:
    """Print a script with which a shell completes commands and options.

    In bash and zsh: eval "$(clawmatrix completion bash)". In fish: clawmatrix completion fish |
    source. It asks the program each time, so commands of plugins are completed too.
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows each of these"
    script = kind(click.Group(), {}, "clawmatrix", VARIABLE)
    click.echo(script.source_template % script.source_vars())
    click.echo(f"To keep it, write it to {_PLACES[shell]}", err=True)
