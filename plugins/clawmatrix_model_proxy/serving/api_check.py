"""What a plugin's model API must have, looked at before a request needs it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clawmatrix_core import PluginError
from clawmatrix_model_proxy.streams.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from clawmatrix_model_proxy.api import ModelApi

__all__ = ["OWN_PLUGINS", "check_api"]

OWN_PLUGINS = frozenset({"model-proxy", "gemini"})
"""The plugins of this project: their APIs have names without a plugin's in front, and codecs that
are not imported before they are used."""
_NAME = re.compile(r"(?=.{1,100}$)[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)*")
_WORDS = "must be a word, or PLUGIN:WORD, of 100 letters at most"
_HEADER = re.compile(r"[A-Za-z0-9-]+")
_FRAMING = frozenset({"connection", "content-length", "host", "transfer-encoding"})
"""Headers that the node itself writes."""
_TOGETHER = (("count_path", "write_count", "read_count"), ("next_models", "read_models"))
"""Members of a codec that need each other; the last of the second pair may be alone."""
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
    """Raises: PluginError, which names the plugin, the API and each member that is not right."""
    if found := _wrongs(plugin, api):
        wrong = "; ".join(f"{member} {why}" for member, why in found)
        raise PluginError(plugin, f'the model API "{str(api.name)[:100]}": {wrong}')


def _wrongs(plugin: str, api: ModelApi) -> list[tuple[str, str]]:
    found = [*_wrong_values(api)]
    if api.codec is not None and plugin not in OWN_PLUGINS:
        found += _wrong_codec(api.codec)
    if not found and plugin not in OWN_PLUGINS:
        found += _taken_names(api)
    if not found and api.codec is not None and next(iter(api.paths)) != api.codec.name:
        found.append(("paths", f"must have the codec's format {api.codec.name!r} first"))
    return found


def _taken_names(api: ModelApi) -> Iterator[tuple[str, str]]:
    """Return the names that only the project's own plugins may give."""
    if ":" not in api.name:
        yield "name", "must have the plugin's name in front: PLUGIN:WORD"
    if api.codec is not None and api.codec.name in FORMATS:
        yield "codec.name", f"must not be {api.codec.name!r}, which is a format of clients"


def _wrong_values(api: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if not _is(api.name, _NAME):
        found.append(("name", _WORDS))
    if not isinstance(api.paths, Mapping) or not api.paths:
        found.append(("paths", "must have a path for a format at least"))
    else:
        found += [
            (f"paths[{name!r}]", why)
            for name, path in api.paths.items()
            if (why := _of(path) if _is(name, _NAME) else "must have a format's name as its key")
        ]
    if api.stream_path is not None and (why := _of(api.stream_path)):
        found.append(("stream_path", why))
    if why := _of(api.list_path):
        found.append(("list_path", why))
    header = api.key_header
    if not (isinstance(header, tuple) and len(header) == 2 and _is_header(*header)):
        found.append(("key_header", "must be a header's name and what stands before the key"))
    return [*found, *_wrong_headers(api.headers)]


def _wrong_headers(headers: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(headers, Mapping):
        yield "headers", "must be a mapping of names to values"
        return
    for name, value in headers.items():
        if not _is_header(name, value):
            yield f"headers[{name!r}]", "must be a header's name with a value of ASCII on one line"


def _is_header(name: object, value: object) -> bool:
    return (
        _is(name, _HEADER)
        and str(name).lower() not in _FRAMING
        and isinstance(value, str)
        and value.isascii()
        and value.isprintable()
    )


def _of(path: object) -> str:
    """Return what is wrong with a path; empty for nothing."""
    if not isinstance(path, str) or not path or path.startswith("/") or "#" in path:
        return "must be a path behind the base URL, without a slash in front"
    if not (path.isascii() and path.isprintable()) or " " in path:
        return "must be ASCII without spaces and line breaks: quote what else there is, as %20"
    unknown = [one for one in _PLACEHOLDER.findall(path) if one != "{model}"]
    return f"may have {{model}} in it, but no {unknown[0]}" if unknown else ""


def _wrong_codec(codec: object) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    if not _is(getattr(codec, "name", None), _NAME):
        found.append(("codec.name", _WORDS))
    count_path = getattr(codec, "count_path", None)
    if count_path is not None and (why := _of(count_path)):
        found.append(("codec.count_path", why))
    if not _are_rules(getattr(codec, "rules", None)):
        found.append(("codec.rules", "must be ApiRules"))
    for name, (shape, args, named) in {**_CALLS, **_OPTIONAL}.items():
        method = getattr(codec, name, None)
        if method is None and name in _CALLS:
            found.append((f"codec.{name}", f"is missing; it is called as {name}{shape}"))
        elif method is not None and not _takes(method, args, named):
            found.append((f"codec.{name}", f"must take {shape}, without async"))
    return [*found, *_halves(codec)]


def _are_rules(value: object) -> bool:
    from clawmatrix_model_proxy.neutral.rules import ApiRules  # own plugins are not looked at

    return value is None or isinstance(value, ApiRules)


def _halves(codec: object) -> Iterator[tuple[str, str]]:
    """Return the optional members that a codec has without those that they need."""
    for members in _TOGETHER:
        there = [name for name in members if getattr(codec, name, None) is not None]
        alone = there == ["read_models"]
        for name in members:
            if there and not alone and name not in there:
                yield f"codec.{name}", f"is missing; {there[0]} needs it"


def _takes(method: object, args: tuple[Any, ...], named: dict[str, Any]) -> bool:
    if not callable(method):
        return False
    if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
        return False
    try:
        inspect.signature(method).bind(*args, **named)
    except (TypeError, ValueError):
        return False
    return True


def _is(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
