"""Modules that are imported without their plugin: ``api``, ``hookspecs`` and the package itself.

Each is imported in a Python of its own: what one imports, this process cannot take back.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

from clawmatrix_core.loading.contributions import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from clawmatrix_core.kit.target import Target

__all__ = ["look_at_light_modules"]

_LIMIT = 60.0
"""Seconds an import may take."""

_PROBE = """
import importlib, json, sys
told = json.loads(sys.argv[1])
sys.path[:0] = told["folders"]
sys.dont_write_bytecode = True
try:
    importlib.import_module(told["module"])
    said = {"loads": [name for name in told["plugins"] if name in sys.modules]}
except ModuleNotFoundError as error:
    said = {"absent": error.name == told["module"], "error": str(error)}
except BaseException as error:
    said = {"error": f"{type(error).__name__}: {error}"}
print("\\n" + json.dumps(said))
"""


def look_at_light_modules(target: Target) -> Iterator[Finding]:
    """Yield whether each module that others may import loads no plugin with it."""
    for module, needed in _light_modules(target).items():
        yield from _look(target, module, needed=needed)


def _light_modules(target: Target) -> dict[str, bool]:
    """Return the modules, and whether each of them has to be there."""
    found = dict.fromkeys(target.specs.values(), True)
    for plugin in target.modules:
        package = plugin.partition(".")[0]
        if package != plugin:  # else the package is the plugin
            found.setdefault(package, True)
        for name in ("api", "hookspecs"):
            found.setdefault(f"{package}.{name}", False)
    return found


def _look(target: Target, module: str, *, needed: bool) -> Iterator[Finding]:
    name, loaded = f"import {module}", _import(target, module)
    told_elsewhere = "error" in loaded and module.rpartition(".")[0] in target.modules
    if not needed and (loaded.get("absent") or told_elsewhere):
        return
    if "error" in loaded:
        yield Finding(name, "problem", f"cannot be imported: {loaded['error']}")
    elif loads := loaded["loads"]:
        advice = f"move the class of the plugin to a module of its own, such as {loads[0]}.plugin"
        if module.rpartition(".")[0] != loads[0]:
            advice = "move what others need to a module that the plugin imports"
        yield Finding(name, "problem", f"loads the plugin with it ({', '.join(loads)})", advice)
    else:
        yield Finding(name, "ok", "loads no plugin with it")


def _import(target: Target, module: str) -> dict[str, Sequence[str]]:
    told = {
        "folders": [str(folder) for folder in target.folders],
        "module": module,
        "plugins": target.modules,
    }
    command = [sys.executable, "-c", _PROBE, json.dumps(told)]
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, timeout=_LIMIT, stdin=subprocess.DEVNULL
        )
        said: dict[str, Sequence[str]] = json.loads(ran.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired:
        return {"error": f"took over {_LIMIT:g} s"}
    except (ValueError, IndexError):
        return {"error": f"ended Python with exit code {ran.returncode}"}
    return said
