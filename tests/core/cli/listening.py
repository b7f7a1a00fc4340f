"""A Unix socket at a place that may be outside of the folder of a test."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["listening"]


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen at a path, and leave nothing there.

    A long path of a state is shortened to a name in a folder that all runs of the tests share: a
    run that was killed may have left a socket under the same name.
    """
    path.unlink(missing_ok=True)
    try:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            yield listener
    finally:
        path.unlink(missing_ok=True)
