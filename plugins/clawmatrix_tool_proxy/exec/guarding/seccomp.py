"""Puts the filter of system calls in force (Linux)."""

from __future__ import annotations

import ctypes
import functools
import os

from clawmatrix_tool_proxy.exec.guarding.filter_program import (
    CONNECTING,
    NOTHING,
    OPEN,
    filter_program,
)
from clawmatrix_tool_proxy.exec.guarding.syscalls import prctl

__all__ = ["prepare_filter", "set_filter"]

_NO_NEW_PRIVS, _SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_INSTRUCTION = 8  # bytes


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


@functools.cache
def _instructions(network: str, *, tracing: bool) -> bytes:
    return filter_program(os.uname().machine, network=network, tracing=tracing)


def prepare_filter() -> None:
    """Reckon all filters, so that ``set_filter`` finds them. Raises: KeyError, see there."""
    for network in (NOTHING, CONNECTING, OPEN):
        for tracing in (True, False):
            _instructions(network, tracing=tracing)


def set_filter(*, network: str, tracing: bool) -> None:
    """Hold this process and all its children to the filter, for good.

    Args:
        network: see ``filter_program``.
        tracing: whether a process may look into others.

    Raises: OSError; KeyError, on a machine that the filter is not written for.
    """
    instructions = _instructions(network, tracing=tracing)
    program = _Program(len(instructions) // _INSTRUCTION, instructions)
    prctl("no_new_privs", _NO_NEW_PRIVS, 1)
    prctl("seccomp", _SET_SECCOMP, _MODE_FILTER, ctypes.byref(program))
