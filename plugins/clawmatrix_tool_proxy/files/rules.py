"""What is in no tool's reach in one call: the node's own files, and those of the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_tool_proxy.files.errors import refusal
from clawmatrix_tool_proxy.files.mounts import kernel_devices
from clawmatrix_tool_proxy.own_places import identity

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from clawmatrix_tool_proxy.files.paths import RootPath
    from clawmatrix_tool_proxy.own_places import Identity, Own

__all__ = ["Rules"]


@attrs.define
class Rules:
    """Says what a tool may open.

    Attributes:
        own: the node's own folders and files.
        roots: the names of the roots, by their folders.
    """

    own: Own
    roots: Mapping[Identity, str]
    _kernel: frozenset[int] | None = None

    def check(
        self, place: RootPath, name: str, found: os.stat_result, above: os.stat_result
    ) -> None:
        """Refuse a file that was found in a folder.

        Args:
            place: its path.
            name: what it is called in the folder.
            found: the file, as it is open.
            above: the folder.

        Raises: ToolError ``private``, ``is_root`` or ``wrong_kind``.
        """
        self.check_own(place, name, found, above)
        if root := self.root_of(found):
            raise refusal(place, "is_root", f"it is the root {root}: write {root}/ in its place")
        if found.st_dev != above.st_dev and found.st_dev in self.kernel:
            raise refusal(place, "wrong_kind", "the files there are the kernel's")

    def check_own(
        self, place: RootPath, name: str, found: os.stat_result | None, above: os.stat_result
    ) -> None:
        """Refuse what is the node's own, there or not. Raises: ToolError ``private``."""
        if self.own.has(identity(above), name, found):
            raise refusal(place, "private", "no tool reads or writes what is the node's own")

    def root_of(self, found: os.stat_result) -> str | None:
        """Return the name of the root whose folder this is."""
        return self.roots.get(identity(found))

    @property
    def kernel(self) -> frozenset[int]:
        """The devices whose files are the kernel's."""
        if self._kernel is None:
            self._kernel = kernel_devices()
        return self._kernel
