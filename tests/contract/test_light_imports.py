"""What others import of a plugin needs no extra, and does not load the plugin.

The modules are imported in an environment that has what the core depends on, and nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from clawmatrix_core import spi

ROOT = Path(__file__).parents[2]
PLUGINS = sorted((ROOT / "plugins").glob("clawmatrix_*"))
EXTRAS = ("httptools", "prometheus_client", "starlette", "uvicorn", "websockets")
IMPORT = """
import importlib, json, sys
for name in sys.argv[1:]:
    module, _, attribute = name.partition(":")
    found = importlib.import_module(module)
    getattr(found, attribute or "__name__")
print(json.dumps(list(sys.modules)))
"""


def shown() -> list[str]:
    """Return the modules of plugins that others import."""
    light = ("api", "hookspecs")
    inside = [f"{p.name}.{one}" for p in PLUGINS for one in light if (p / f"{one}.py").exists()]
    return sorted([*(plugin.name for plugin in PLUGINS), *inside])


def needed() -> set[str]:
    """Return the distributions that the core needs, and those that these need."""
    found: set[str] = set()
    left = [Requirement(one) for one in metadata.requires("clawmatrix") or ()]
    while left:
        requirement = left.pop()
        wanted = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        if wanted and requirement.name not in found:
            found.add(requirement.name)
            left += [Requirement(one) for one in metadata.requires(requirement.name) or ()]
    return found


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages that the core depends on."""
    folder = tmp_path_factory.mktemp("bare")
    for name in needed():
        distribution = metadata.distribution(name)
        tops = {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}
        for top in tops:
            target = folder / top
            if not target.exists():
                target.symlink_to(Path(str(distribution.locate_file(top))))
    return folder


def load(bare: Path, *names: str, more: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Import modules, or names as ``module:name``, where there is nothing but what is needed."""
    places = [bare, ROOT, ROOT / "plugins", *([] if more is None else [more])]
    return subprocess.run(
        [sys.executable, "-S", "-c", IMPORT, *names],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_there_are_modules_to_look_at() -> None:
    assert {"clawmatrix_http.api", "clawmatrix_model_proxy.hookspecs"} < set(shown())
    assert needed() >= {"anyio", "attrs", "cryptography"}


@pytest.mark.parametrize("name", shown())
def test_what_others_import_of_a_plugin_needs_no_extra(name: str, bare: Path) -> None:
    ran = load(bare, name)
    assert ran.returncode == 0, ran.stderr
    loaded = json.loads(ran.stdout)
    assert name in loaded
    assert [one for one in loaded if one.endswith(".plugin")] == []


def test_spi_needs_no_extra(bare: Path) -> None:
    ran = load(bare, *(f"clawmatrix_core.spi:{name}" for name in spi.__all__))
    assert ran.returncode == 0, ran.stderr
    assert [one for one in json.loads(ran.stdout) if one in EXTRAS] == []


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_import_of_an_extra_is_an_error(extra: str, bare: Path, tmp_path: Path) -> None:
    (tmp_path / "planted_api.py").write_text(f"import {extra}\n")
    ran = load(bare, "planted_api", more=tmp_path)
    assert ran.returncode == 1
    assert f"No module named '{extra}'" in ran.stderr


def test_a_package_that_loads_its_plugin_is_seen(bare: Path, tmp_path: Path) -> None:
    package = tmp_path / "clawmatrix_planted"
    package.mkdir()
    (package / "__init__.py").write_text("from clawmatrix_planted import plugin\n")
    (package / "plugin.py").touch()
    ran = load(bare, "clawmatrix_planted", more=tmp_path)
    assert "clawmatrix_planted.plugin" in json.loads(ran.stdout)
