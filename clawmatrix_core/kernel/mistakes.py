"""Every mistake of a configuration in one error, before a node is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.kernel.registry import PluginRegistry
from clawmatrix_core.loading.absent import not_usable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clawmatrix_core.config.config import Config

__all__ = ["check_core"]


def check_core(config: Config, chosen: Sequence[str | object] | None) -> None:
    """Raises: ConfigError, where one of the core's keys has a mistake, or is unknown.

    It has the mistakes in tables of plugins too, and names plugins that cannot be used: so the
    plugins are loaded, only for this.
    """
    if config.sound:
        return
    plugins = PluginRegistry()
    plugins.load(chosen, config.disable)
    infos = plugins.list()
    try:
        config.bind(plugins.config_sections(), known=[info.name for info in infos])
    except ConfigError as error:
        named = not_usable(infos, config.plugins or ())
        raise ConfigError([*named, *error.problems]) from None
