"""The parts of the confinement: what each holds, and what is open where a kernel lacks it."""

from __future__ import annotations

__all__ = ["PARTS", "Lacking", "Missing"]

# The name of each part, with what a command can do where it is missing.
PARTS = {
    "subreaper": "processes that leave their group may outlive the command",
    "process-limit": "a command can start processes until the machine has no room for more",
    "landlock": "the command reads and writes whatever the node's user may",
    "landlock-truncate": "it can empty files outside its roots",
    "landlock-tcp": "the ports of `network` do not hold: it connects to any",
    "landlock-ioctl": "it can control devices that it can open",
    "landlock-scope": "it can send signals to the node's processes, and kill its guard",
    "seccomp": "it makes sockets of any kind, and reaches Unix sockets of other programs",
    "mount-namespace": "it can change the modes of files outside its roots,"
    " roots that hold files of a node refuse it, and names in `network` are unknown to it",
}


class Lacking(Exception):
    """A part of the confinement that could not be had, and whose absence is not accepted.

    Attributes:
        part: its name in ``PARTS``, or another word for what refused.
    """

    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part


class Missing:
    """Keeps count of parts that are missing.

    Args:
        accepted: the parts that may be missing.
    """

    def __init__(self, accepted: tuple[str, ...]) -> None:
        self._accepted = accepted
        self.parts: dict[str, str] = {}

    def note(self, part: str, error: Exception | str) -> None:
        """Note that a part is missing. Raises: Lacking, where that is not accepted."""
        why = str(error)
        self.parts[part] = why
        if part not in self._accepted:
            raise Lacking(part, why)
