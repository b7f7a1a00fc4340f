"""``clawmatrix env``."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from clawmatrix_core.cli import Settings, echo_json, pass_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["bypassed", "env"]


@click.command(epilog='Example: eval "$(clawmatrix env)"')
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")
@pass_settings
def env(settings: Settings, as_json: bool) -> None:
    """Print what programs need to use the local API.

    In a shell: eval "$(clawmatrix env)". The output holds the token; treat it as a password.
    NO_PROXY keeps programs from asking a proxy of the environment for this machine's own address.
    """
    from clawmatrix_core.cli import call

    found = call(settings.config_file(), "http.env")
    bypass = bypassed(os.environ, urlsplit(found["baseUrl"]).hostname or "")
    if as_json:
        echo_json({**found, "noProxy": bypass})
        return
    base, token = shlex.quote(found["baseUrl"]), shlex.quote(found["token"])
    root = shlex.quote(found["baseUrl"].removesuffix("/v1"))
    click.echo(f"export OPENAI_BASE_URL={base} OPENAI_API_KEY={token}")
    click.echo(f"export ANTHROPIC_BASE_URL={root} ANTHROPIC_API_KEY={token}")
    click.echo(f"export CLAWMATRIX_TOKEN={token}")
    click.echo(f"export NO_PROXY={shlex.quote(bypass)} no_proxy={shlex.quote(bypass)}")


def bypassed(environ: Mapping[str, str], host: str) -> str:
    """Return the hosts that are asked without a proxy: those of the environment, and this one.

    Programs read the variable in small or in large letters, so both get the hosts of either.
    """
    known = f"{environ.get('no_proxy', '')},{environ.get('NO_PROXY', '')}".split(",")
    hosts = [name for name in map(str.strip, known) if name]
    return ",".join(dict.fromkeys([*hosts, host]))
