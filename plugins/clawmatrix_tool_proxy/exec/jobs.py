"""Makes jobs for guards of what callers ask for and what the configuration allows."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio.to_thread

from clawmatrix_grants.api import DEFAULT_PATH
from clawmatrix_tool_proxy.exec.guarding.job import Job
from clawmatrix_tool_proxy.exec.guarding.parts import PARTS
from clawmatrix_tool_proxy.exec.guards import new_folders
from clawmatrix_tool_proxy.exec.network import network_for
from clawmatrix_tool_proxy.tool import ToolError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from clawmatrix_tool_proxy.exec.config import ExecConfig
    from clawmatrix_tool_proxy.exec.guarding.job import Place
    from clawmatrix_tool_proxy.exec.roots import CommandRoots
    from clawmatrix_tool_proxy.files.paths import RootPath
    from clawmatrix_tool_proxy.own_places import OwnPlaces

__all__ = ["Jobs"]

_MORE_TEMPORARY: Final = ("/var/tmp", "/tmp")
_ENVIRONMENT: Final = {"PATH": DEFAULT_PATH, "LANG": "C.UTF-8"}


class Jobs:
    """Makes jobs.

    Args:
        config: what commands may use.
        roots: the roots that they use.
        own: knows the files and folders of the node itself.
        cgroup: the folder in which cgroups may be made, None without.
    """

    def __init__(
        self,
        config: ExecConfig,
        roots: CommandRoots,
        own: OwnPlaces,
        cgroup: str | None = None,
    ) -> None:
        self.config, self.roots = config, roots
        self._own, self._cgroup = own, cgroup

    async def make(
        self,
        argv: Sequence[str],
        folder: RootPath | None,
        *,
        env: Mapping[str, str] | None = None,
        stdin: bool = False,
        timeout: float | None = None,
        lasting: bool = False,
    ) -> Job:
        """Return the job of a command.

        Args:
            argv: the arguments, the program's whole path first.
            folder: where it starts; None is its private folder.
            env: variables of the caller.
            stdin: whether it gets any input.
            timeout: seconds that it may take, where that is less than it gets anyway.
            lasting: whether it runs until its node ends it.

        Raises: ToolError ``no_root``.
        """
        config = self.config
        places = await anyio.to_thread.run_sync(self.roots.look)
        if folder is not None and folder.root not in places:
            raise ToolError(f"{folder.root}: the root is not here at present", "no_root")
        asked = config.timeout if timeout is None else timeout
        return self._job(places)._replace(
            argv=tuple(argv),
            env=self._environment(env or {}),
            root=None if folder is None else list(places).index(folder.root),
            cwd=() if folder is None else folder.parts,
            stdin=stdin,
            timeout=None if lasting else min(float(config.timeout), asked),
            network=await network_for(config.network),
        )

    def probe(self) -> Job:
        """Return the job of telling which parts of the confinement are missing."""
        return self._job({})._replace(probe=True, without=tuple(PARTS))

    async def probes_of_roots(self) -> Mapping[str, Job]:
        """Return, for each root that is there, the job of trying it alone."""
        places = await anyio.to_thread.run_sync(self.roots.look)
        return {
            name: self._job({name: place})._replace(probe=True) for name, place in places.items()
        }

    def _job(self, places: Mapping[str, Place]) -> Job:
        config = self.config
        folders = new_folders(str(_temporary(places.values())), self._cgroup)
        return Job(
            argv=(),
            env={},
            root=None,
            cwd=(),
            stdin=False,
            timeout=float(config.timeout),
            private=folders.private,
            roots=tuple(places.values()),
            readable=tuple(str(path.expanduser()) for path in config.readable),
            own=tuple(map(str, self._own.paths)),
            unmade=tuple(map(str, self._own.before)),
            search=config.search,
            processes=config.processes,
            memory=config.memory,
            file_size=config.file_size,
            cgroup=folders.cgroup,
            without=config.without,
        )

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        return {**_ENVIRONMENT, **self.config.env, **given}


def _temporary(places: Iterable[Place]) -> Path:
    """Return a folder for temporary ones, outside the roots that commands write in if there is one.

    Another command could put others in the place of those in its root.
    """
    written = [Path(place.path) for place in places if place.write]
    folders = [Path(folder).resolve() for folder in (tempfile.gettempdir(), *_MORE_TEMPORARY)]
    for folder in folders:
        if folder.is_dir() and not any(folder.is_relative_to(root) for root in written):
            return folder
    return folders[0]
