"""Putting another configuration in force while the node runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.to_thread
import attrs

from clawmatrix_core import hookspecs
from clawmatrix_core.base.errors import ConfigError, LocalProtocolError
from clawmatrix_core.base.redaction import register_secret
from clawmatrix_core.config.config import Config
from clawmatrix_core.config.named import load_class

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from clawmatrix_core.config.changes import Changes
    from clawmatrix_core.kernel.node_hooks import NodeHooks
    from clawmatrix_core.sessions.keyring import Keyring

__all__ = ["Reloader"]


class Configured(Protocol):
    """What the configuration is put into: the node."""

    config: Config

    def look_who_decides(self) -> None:
        """Look again which plugins decide who may do what."""


class Reloader:
    """Checks a new configuration as a whole, and only then changes anything."""

    def __init__(
        self, node: Configured, keyring: Keyring, hooks: NodeHooks, log: logging.Logger
    ) -> None:
        self._node = node
        self._keyring = keyring
        self._hooks = hooks
        self._one_by_one = anyio.Lock()
        self._listeners: list[Callable[[Changes], None]] = []
        self._log = log

    def when_reloaded(self, call: Callable[[Changes], None]) -> None:
        """Have something called after each reload that changed anything."""
        self._listeners.append(call)

    async def reload(self, config: Config | None) -> Changes:
        """Put a configuration in force; None for what the node's file says now.

        Raises: ConfigError, with every mistake; nothing is changed then.
        """
        async with self._one_by_one:
            if config is None:
                config = await anyio.to_thread.run_sync(self._read)
            for wanted in self._node.config.to_import(config):
                await anyio.to_thread.run_sync(load_class, wanted)
            taken, changes = self._node.config.taking(config)
            if mistakes := config.mistakes_beside(self._hooks.registered):
                raise ConfigError(mistakes)
            with anyio.CancelScope(shield=True):  # every plugin is told, or none
                changes = await self._take_over(taken, changes)
            return changes

    async def _take_over(self, taken: Config, changes: Changes) -> Changes:
        self._put(taken, changes)
        if changes.reloaded:
            changes = attrs.evolve(changes, faults=await self._tell(changes.reloaded))
            for listener in self._listeners:
                listener(changes)
        self._say(changes)
        return changes

    def _read(self) -> Config:
        if (path := self._node.config.path) is None:
            raise LocalProtocolError("the configuration is from code: its program reloads it")
        return Config.load(path)

    def _put(self, taken: Config, changes: Changes) -> None:
        for secret in taken.secrets:
            register_secret(secret.reveal())
        self._node.config = taken
        self._node.look_who_decides()
        if changes.reloaded & {"secret", "previous_secrets"}:
            self._keyring.put(taken.secret, taken.previous_secrets)

    async def _tell(self, changed: frozenset[str]) -> tuple[str, ...]:
        """Tell the plugins; return what went wrong in them."""
        before = {info.name: info.faults for info in self._hooks.plugins()}
        await self._hooks.notify(hookspecs.config_changed, changed=changed)
        return tuple(
            f"{info.name}: {info.last_fault}"
            for info in self._hooks.plugins()
            if "config_changed" in info.hooks and info.faults > before.get(info.name, 0)
        )

    def _say(self, changes: Changes) -> None:
        if changes.reloaded:
            self._log.info("reloaded: %s", ", ".join(sorted(changes.reloaded)))
        if changes.restart:
            waiting = ", ".join(sorted(changes.restart))
            self._log.warning("the configuration has changes that need a restart: %s", waiting)
