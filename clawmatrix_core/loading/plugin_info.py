"""What a node knows of each plugin, as ``clawmatrix plugins list`` shows it."""

from __future__ import annotations

import logging
from typing import Literal

import attrs

__all__ = ["PluginInfo", "PluginState"]

_log = logging.getLogger("clawmatrix.plugins")

PluginState = Literal["active", "disabled", "not installed", "failed"]


@attrs.define
class PluginInfo:
    """What is known of a plugin, shown by ``clawmatrix plugins list``.

    Attributes:
        name: its entry point's name, or the name it was registered by.
        distribution: the distribution it came with, None for an object a host passed in.
        version: that distribution's version.
        state: whether it works here, and why not in ``reason``.
        hooks: the hooks it implements, known once it is loaded.
        extends: the plugins whose hooks it implements.
        waits_for: those of ``extends`` that do not work here, so that nobody calls its
            implementations of their hooks.
        collisions: what it registered under a name that another plugin had first.
        warnings: what it does to no effect.
        faults: how often a hook or task of it failed; the last one is ``last_fault``.
    """

    name: str
    distribution: str | None = None
    version: str | None = None
    state: PluginState = "disabled"
    reason: str | None = None
    hooks: tuple[str, ...] = ()
    extends: tuple[str, ...] = ()
    waits_for: tuple[str, ...] = ()
    collisions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    faults: int = 0
    last_fault: str | None = None
    overruns: list[float] = attrs.field(factory=list, repr=False)
    built_in: bool = attrs.field(default=False, repr=False)
    plugin: object | None = attrs.field(default=None, repr=False)

    def fail(self, reason: str) -> None:
        """Put the plugin down as failed, and say so in the log."""
        self.state, self.reason = "failed", reason
        _log.error("plugin %s failed: %s", self.name, reason)

    def warn(self, words: str) -> None:
        """Note what the plugin does to no effect, and say so in the log, once."""
        if words not in self.warnings:
            self.warnings = (*self.warnings, words)
            _log.warning("plugin %s %s", self.name, words)

    def to_json(self) -> dict[str, object]:
        """Return the plugin's entry in ``plugins list --json``."""
        entry: dict[str, object] = {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "state": self.state,
            "reason": self.reason,
            "hooks": list(self.hooks),
        }
        if self.waits_for:
            entry["waitsFor"] = list(self.waits_for)
        if self.collisions:
            entry["collisions"] = list(self.collisions)
        if self.warnings:
            entry["warnings"] = list(self.warnings)
        if self.faults:
            entry["faults"] = self.faults
            entry["lastFault"] = self.last_fault
        return entry
