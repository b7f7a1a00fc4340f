"""What a plugin's model API must have, looked at before a request needs it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clawmatrix_core import StartError

if TYPE_CHECKING:
    from clawmatrix_model_proxy.api import ModelApi

__all__ = ["check_api"]

_NAME = re.compile(r"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)*")
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_PLACEHOLDER = re.compile(r"\{[^}]*\}?")
_CALLS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "write_request": ("(request, *, model, max_tokens)", ({},), {"model": "", "max_tokens": 1}),
    "read_answer": ("(body, *, new_id)", ({},), {"new_id": str}),
    "reader": ("(*, new_id)", (), {"new_id": str}),
}
_OPTIONAL: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "read_error": ("(status, body)", (500, {}), {}),
    "read_models": ("(body)", ({},), {}),
    "next_models": ("(body)", ({},), {}),
    "write_count": ("(request, *, model)", ({},), {"model": ""}),
    "read_count": ("(body)", ({},), {}),
}


def check_api(plugin: str, api: ModelApi) -> None:
    """Raises: StartError, which names the plugin, the API and the member that is not right."""
    for member, wrong in _wrongs(api):
        raise StartError(f'plugin {plugin}: the model API "{api.name}": {member} {wrong}')


def _wrongs(api: ModelApi) -> list[tuple[str, str]]:
    found = [*_wrong_values(api)]
    if api.codec is not None:
        found += _wrong_codec(api.codec)
    return found


def _wrong_values(api: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if not _is(api.name, _NAME):
        found.append(("name", "must be a word, or PLUGIN:WORD"))
    if not isinstance(api.paths, Mapping) or not api.paths:
        found.append(("paths", "must have a path for a format at least"))
    else:
        found += [
            (f"paths[{name!r}]", why) for name, path in api.paths.items() if (why := _of(path))
        ]
    if api.stream_path is not None and (why := _of(api.stream_path)):
        found.append(("stream_path", why))
    if why := _of(api.list_path):
        found.append(("list_path", why))
    header = api.key_header
    if not (isinstance(header, tuple) and len(header) == 2 and _is(header[0], _HEADER)):
        found.append(("key_header", "must be a header's name and what stands before the key"))
    return found


def _of(path: object) -> str:
    """Return what is wrong with a path; empty for nothing."""
    if not isinstance(path, str) or not path or path.startswith("/") or "#" in path:
        return "must be a path behind the base URL, without a slash in front"
    unknown = [one for one in _PLACEHOLDER.findall(path) if one != "{model}"]
    return f"may have {{model}} in it, but no {unknown[0]}" if unknown else ""


def _wrong_codec(codec: object) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if not _is(getattr(codec, "name", None), _NAME):
        found.append(("codec.name", "must be a word, or PLUGIN:WORD"))
    for name, (shape, args, named) in _CALLS.items():
        method = getattr(codec, name, None)
        if method is None:
            found.append((f"codec.{name}", f"is missing; it is called as {name}{shape}"))
        elif not _takes(method, args, named):
            found.append((f"codec.{name}", f"must take {shape}"))
    count_path = getattr(codec, "count_path", None)
    if count_path is not None and (why := _of(count_path)):
        found.append(("codec.count_path", why))
    for name, (shape, args, named) in _OPTIONAL.items():
        method = getattr(codec, name, None)
        if method is not None and not _takes(method, args, named):
            found.append((f"codec.{name}", f"must take {shape}"))
    return found


def _takes(method: object, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    if not callable(method):
        return False
    try:
        inspect.signature(method).bind(*args, **named)
    except (TypeError, ValueError):
        return False
    return True


def _is(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
