"""Takes from the process of a command what it may not do, right before it begins (Linux)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from clawmatrix_tool_proxy.exec.guarding.filter_program import CONNECTING, NOTHING, OPEN
from clawmatrix_tool_proxy.exec.guarding.landlock import Ruleset, landlock_version
from clawmatrix_tool_proxy.exec.guarding.privileges import drop_capabilities
from clawmatrix_tool_proxy.exec.guarding.seccomp import prepare_filter, set_filter
from clawmatrix_tool_proxy.exec.guarding.system_places import DEVICES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_tool_proxy.exec.guarding.job import Job, Network
    from clawmatrix_tool_proxy.exec.guarding.parts import Missing

__all__ = ["LANDLOCK_SINCE", "restrict", "restrict_sooner"]

# The version of Landlock that first had each part.
LANDLOCK_SINCE = {
    "landlock": 1,
    "landlock-truncate": 3,
    "landlock-tcp": 4,
    "landlock-ioctl": 5,
    "landlock-scope": 6,
}


def restrict(job: Job, roots: Sequence[int], writable: Sequence[str], missing: Missing) -> None:
    """Take privileges, files, ports and system calls away, in this order.

    Args:
        job: what the command may do.
        roots: descriptors of its roots.
        writable: what it may write in beside its roots.
        missing: takes note of what the kernel lacks.

    Raises: Lacking, where a part is missing and must not be; OSError.
    """
    with contextlib.suppress(OSError):  # where memory ends, rather the command than the node
        _offer_to_be_killed()
    drop_capabilities()
    held = _set_landlock(job, roots, writable, missing)
    try:
        set_filter(network=_filtered(job.network), tracing=held)
    except KeyError as error:
        missing.note("seccomp", f"no filter is written for a machine of {error}")
    except OSError as error:
        missing.note("seccomp", error)


def restrict_sooner() -> None:
    """Do of ``restrict`` what needs no job and takes nothing away."""
    with contextlib.suppress(KeyError):  # ``restrict`` tells
        prepare_filter()


def _offer_to_be_killed() -> None:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def _set_landlock(
    job: Job, roots: Sequence[int], writable: Sequence[str], missing: Missing
) -> bool:
    version = landlock_version()
    for part, since in LANDLOCK_SINCE.items():
        if version < since:
            missing.note(part, f"the kernel's Landlock has version {version}, not {since}")
    if version == 0:
        return False
    rules = Ruleset(version, tcp=not job.network.open)
    for path in job.readable_all:
        rules.allow_reading(path)
    for place, root in zip(job.roots, roots, strict=True):
        if place.write:
            rules.allow_writing(root)
        else:
            rules.allow_reading(root)
    for path in writable:
        rules.allow_writing(path)
    rules.allow_devices(DEVICES)
    for port in job.network.ports:
        rules.allow_connecting(port)
    rules.enforce()
    return True


def _filtered(network: Network) -> str:
    if network.open:
        return OPEN
    return CONNECTING if network.ports else NOTHING
