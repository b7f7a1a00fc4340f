"""``clawmatrix env``."""

from __future__ import annotations

import shlex

import click

from clawmatrix_core.cli import Settings, echo_json, pass_settings

__all__ = ["env"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@pass_settings
def env(settings: Settings, as_json: bool) -> None:
    """Print what programs need to use the local API.

    In a shell: eval "$(clawmatrix env)". The output holds the token; treat it as a password.
    """
    from clawmatrix_core.cli import call

    found = call(settings.config_file(), "http.env")
    if as_json:
        echo_json(found)
        return
    base, token = shlex.quote(found["baseUrl"]), shlex.quote(found["token"])
    root = shlex.quote(found["baseUrl"].removesuffix("/v1"))
    click.echo(f"export OPENAI_BASE_URL={base} OPENAI_API_KEY={token}")
    click.echo(f"export ANTHROPIC_BASE_URL={root} ANTHROPIC_API_KEY={token}")
