"""What is looked at in the ``[model-proxy]`` table as a whole: APIs that exist, times that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from clawmatrix_model_proxy import hookspecs
from clawmatrix_model_proxy.api import ModelApi
from clawmatrix_model_proxy.config import ModelProxyConfig
from clawmatrix_model_proxy.model_config import APIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["check_apis", "check_table", "check_times"]

_ALWAYS = APIS[:3]
"""Those that this plugin brings itself."""
Mistake = tuple[tuple[str | int, ...], str]
_DEFAULT = attrs.fields(ModelProxyConfig).whole_answer_timeout.default


def check_table(
    table: ModelProxyConfig,
    registered: Callable[
        [Callable[..., Sequence[ModelApi]], type[ModelApi]], Sequence[ModelApi] | None
    ],
) -> Iterator[Mistake]:
    """Yield what is wrong with the table as a whole; see ``ConfigSection.check``."""
    yield from check_apis(table, registered)
    yield from check_times(table)


def check_apis(
    table: ModelProxyConfig,
    registered: Callable[
        [Callable[..., Sequence[ModelApi]], type[ModelApi]], Sequence[ModelApi] | None
    ],
) -> Iterator[Mistake]:
    """Yield the models whose API no plugin in use has; see ``ConfigSection.check``."""
    if all(model.api in _ALWAYS for model in table.models):
        return
    apis = registered(hookspecs.register_model_apis, ModelApi)
    known = [str(api.name) for api in apis or ()]
    for place, model in enumerate(table.models):
        if apis is not None and model.api not in known:
            there = ", ".join(f'"{name}"' for name in known)
            words = f'no plugin in use has the API "{model.api}"; there are {there}'
            yield ("models", place, "api"), words


def check_times(table: ModelProxyConfig) -> Iterator[Mistake]:
    """Yield the times that are longer than one within which they lie."""
    first_byte, total = table.first_byte_timeout, table.total_timeout
    for place, model in enumerate(table.models):
        first, idle = model.first_token_timeout, model.idle_timeout
        if first is not None and first > first_byte:
            yield (
                ("models", place, "first_token_timeout"),
                _longer(first, "first_byte_timeout", first_byte),
            )
        if idle is not None and idle > total:
            yield ("models", place, "idle_timeout"), _longer(idle, "total_timeout", total)
    whole = table.whole_answer_timeout
    if whole > first_byte and whole != _DEFAULT:  # which a short first_byte_timeout goes below
        yield ("whole_answer_timeout",), _longer(whole, "first_byte_timeout", first_byte)


def _longer(value: float, name: str, most: float) -> str:
    return f"{value:g} s is longer than {name} ({most:g} s), within which it lies"
