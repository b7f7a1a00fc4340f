"""What ``clawmatrix sync`` calls over the control socket."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import attrs
import msgspec

from clawmatrix_core import ControlMethod, ExchangeFailure
from clawmatrix_knowledge.merging.names import is_conflict_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from clawmatrix_core import JSON
    from clawmatrix_knowledge.syncing.keeper import Keeper
    from clawmatrix_knowledge.syncing.sharing import Sharing
    from clawmatrix_knowledge.syncing.workspace import Workspace
    from clawmatrix_knowledge.versions import Version

__all__ = ["KnowledgeMethods", "shown"]


class KnowledgeMethods:
    """The methods of a node that runs.

    Args:
        keepers: the workspaces, by name.
        sharing: how they are shared; None where there is no workspace.
    """

    def __init__(self, keepers: Mapping[str, Keeper], sharing: Sharing | None) -> None:
        self._keepers, self._sharing = keepers, sharing

    def all(self) -> list[ControlMethod]:
        """Return them by their names."""
        return [
            ControlMethod("sync.status", self.status),
            ControlMethod("sync.conflicts", self.conflicts),
            ControlMethod("sync.log", self.log),
            ControlMethod("sync.restore", self.restore),
            ControlMethod("sync.deleted", self.deleted),
            ControlMethod("sync.revert", self.revert),
            ControlMethod("sync.export", self.export),
            ControlMethod("sync.pause", self.pause),
            ControlMethod("sync.resume", self.resume),
            ControlMethod("sync.rescan", self.rescan),
            ControlMethod("sync.allow-deletes", self.allow_deletes),
            ControlMethod("sync.reject-deletes", self.reject_deletes),
        ]

    async def status(self, params: dict[str, JSON]) -> JSON:
        """Return how the workspaces are, or ``workspace`` is."""
        name = params.get("workspace")
        keepers = self._keepers.values() if name is None else [self._keeper(params)]
        return [shown(one, self._sharing) for one in keepers]

    async def conflicts(self, params: dict[str, JSON]) -> JSON:
        """Return the conflict copies, and the files that wait for bytes."""
        graph = self._space(params).index.graph
        copies = [path for path in graph.paths() if is_conflict_path(path)]
        live = [(path, graph.live(path)) for path in sorted({*copies, *graph.unsettled()})]
        return [
            {"path": path, "versions": [_version(one) for one in versions]}
            for path, versions in live
            if any(one.content is not None for one in versions)
        ]

    async def log(self, params: dict[str, JSON]) -> JSON:
        """Return the versions of ``path``, or of all files, the newest first."""
        space, path = self._space(params), params.get("path")
        graph = space.index.graph
        found = graph.versions(path) if isinstance(path, str) else list(graph)
        newest = sorted(found, key=lambda one: -one.time)[:1000]
        return [{**_version(one), "here": _is_here(space, one)} for one in newest]

    async def restore(self, params: dict[str, JSON]) -> JSON:
        """Make ``path`` what it was in ``version``, or before its last change."""
        path, version = params.get("path"), params.get("version")
        if not isinstance(path, str) or not isinstance(version, str | None):
            raise ExchangeFailure("bad_params", "path: expected text")
        try:
            made = await self._space(params).restore(path, version)
        except KeyError as error:
            raise ExchangeFailure("not_found", str(error.args[0])) from None
        self._changed(params)
        return _version(made)

    async def deleted(self, params: dict[str, JSON]) -> JSON:
        """Return the files that were deleted: the last version of each, and whether it is here."""
        space = self._space(params)
        graph = space.index.graph
        gone = [
            path for path in graph.paths() if all(one.content is None for one in graph.live(path))
        ]
        found = []
        for path in sorted(gone):
            last = [one for one in graph.versions(path) if one.content is not None][-1:]
            found += [{**_version(one), "here": _is_here(space, one)} for one in last]
        return found

    async def revert(self, params: dict[str, JSON]) -> JSON:
        """Replace the edits of a workspace that only receives; return the files."""
        return list(await self._space(params).revert())

    async def export(self, params: dict[str, JSON]) -> JSON:
        """Return the index, an Automerge document, in base 64."""
        return base64.b64encode(await self._space(params).index.export()).decode()

    async def pause(self, params: dict[str, JSON]) -> JSON:
        """Let the workspace rest."""
        await self._space(params).pause(paused=True)
        return shown(self._keeper(params), self._sharing)

    async def resume(self, params: dict[str, JSON]) -> JSON:
        """Let the workspace go on, and share with ``peer`` again, if one is given."""
        keeper, peer, sharing = self._keeper(params), params.get("peer"), self._sharing
        if isinstance(peer, str) and sharing is not None:
            if not await sharing.resume(keeper.name, peer):
                raise ExchangeFailure("not_found", f"{peer} was not stopped")
        else:
            await self._space(params).pause(paused=False)
            keeper.rescan()
        return shown(keeper, sharing)

    async def rescan(self, params: dict[str, JSON]) -> JSON:
        """Look at all files."""
        self._keeper(params).rescan()
        return None

    async def allow_deletes(self, params: dict[str, JSON]) -> JSON:
        """Let the deletions be that halted it."""
        await self._space(params).allow_deletes()
        self._changed(params)
        return shown(self._keeper(params), self._sharing)

    async def reject_deletes(self, params: dict[str, JSON]) -> JSON:
        """Bring back what was deleted."""
        await self._space(params).reject_deletes()
        self._changed(params)
        return shown(self._keeper(params), self._sharing)

    def _keeper(self, params: dict[str, JSON]) -> Keeper:
        name = params.get("workspace")
        if name is None and len(self._keepers) == 1:
            return next(iter(self._keepers.values()))
        keeper = self._keepers.get(name) if isinstance(name, str) else None
        if keeper is None:
            known = ", ".join(self._keepers) or "none"
            raise ExchangeFailure("not_found", f"name a workspace of this node: {known}")
        return keeper

    def _space(self, params: dict[str, JSON]) -> Workspace:
        keeper = self._keeper(params)
        if keeper.space is None:
            raise ExchangeFailure("not_open", f"{keeper.name}: {keeper.why or keeper.state}")
        return keeper.space

    def _changed(self, params: dict[str, JSON]) -> None:
        keeper, sharing = self._keeper(params), self._sharing
        keeper.rescan()
        if sharing is not None:
            sharing.changed(keeper.name)


def shown(keeper: Keeper, sharing: Sharing | None) -> JSON:
    """Return how a workspace is."""
    space = keeper.space
    told: dict[str, JSON] = {
        "name": keeper.name,
        "path": str(keeper.root),
        "state": keeper.state,
        "why": keeper.why,
        "last": msgspec.to_builtins(keeper.last),
    }
    peers = [] if sharing is None else sharing.status(keeper.name)
    told["peers"] = [attrs.asdict(one) for one in peers]
    if space is None:
        return told
    if space.halt is not None:
        told["state"] = "halted"
    elif space.paused:
        told["state"] = "paused"
    missing = space.missing
    return told | {
        "files": len(space.local),
        "versions": len(space.index.graph),
        "missing": {"files": len(missing), "bytes": sum(missing.values())},
        "halt": msgspec.to_builtins(space.halt),
        "differing": sorted(space.differing),
        "problems": [attrs.asdict(one) for one in space.problems.values()],
        "unsettled": len(space.index.graph.unsettled()),
        "told": [*space.told, *space.index.told],
    }


def _version(version: Version) -> dict[str, JSON]:
    told = attrs.asdict(version)
    return {"id": version.id} | {name: told[name] for name in _SHOWN}


_SHOWN = ("path", "kind", "content", "executable", "size", "mtime", "author", "time", "parents")


def _is_here(space: Workspace, version: Version) -> bool:
    return version.content is not None and space.has(version.content)
