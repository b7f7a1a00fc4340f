"""The peer of the model benchmarks: LiteLLM's proxy, in an environment of its own.

It pins other versions of libraries than this project uses, so it cannot share ours. The
environment is made once, under ``.bench/``.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.benchmarks.harness import ROOT
from tests.benchmarks.mesh import CORE, TOKEN
from tests.benchmarks.processes import child, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.benchmarks.processes import Child

__all__ = ["KEY", "install", "proxy", "version"]

PLACE = ROOT / ".bench" / "litellm"
KEY = "sk-benchmark"
_MODEL = """\
  - model_name: {name}
    litellm_params:
      model: {model}
      api_base: {upstream}
      api_key: {token}
"""
_CONFIG = """\
model_list:
{models}
general_settings:
  master_key: {key}
"""


def install() -> None:
    """Make the environment, where there is none; that takes a minute."""
    if not (PLACE / "bin" / "litellm").exists():
        print("installing LiteLLM under .bench ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(PLACE)], check=True)
        pip = [str(PLACE / "bin" / "pip"), "install", "-q", "litellm[proxy]"]
        subprocess.run(pip, check=True)


def version() -> str:
    """Return the version that is installed."""
    code = "from importlib.metadata import version; print(version('litellm'))"
    command = [str(PLACE / "bin" / "python"), "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextlib.contextmanager
def proxy(
    folder: Path, upstream: str, models: Mapping[str, str] | None = None
) -> Iterator[tuple[Child, int]]:
    """Run the proxy, one worker, as it comes; give it and its port.

    ``models`` has LiteLLM's word for the API and model of each, by its name.
    """
    config = folder / "litellm.yaml"
    listed = "".join(
        _MODEL.format(name=name, model=model, token=TOKEN, upstream=_base(upstream, model))
        for name, model in (models or {"bench": "openai/bench"}).items()
    )
    config.write_text(_CONFIG.format(models=listed, key=KEY))
    port = free_port()
    command = [str(PLACE / "bin" / "litellm"), "--config", str(config)]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    # Nothing is fetched from outside: what it costs models at comes from its own copy.
    env = {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    with child(command, core=CORE, log=folder / "litellm.log", env=env) as running:
        yield running, port


def _base(upstream: str, model: str) -> str:
    # For Anthropic's API it adds the whole path by itself.
    return upstream.removesuffix("/v1") if model.startswith("anthropic/") else upstream
