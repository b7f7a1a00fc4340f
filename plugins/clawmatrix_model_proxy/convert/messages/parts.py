"""Pictures and documents as the Messages API has them, both ways."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from clawmatrix_model_proxy.neutral.codec import Unsupported
from clawmatrix_model_proxy.neutral.fields import Fields
from clawmatrix_model_proxy.neutral.request import File, Image

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["READERS", "write_document", "write_image"]

_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_SPELLINGS = {"image/jpg": "image/jpeg"}
_PDF = "application/pdf"
_WORDS = frozenset({"application/json", "application/xml", "application/yaml"})


def _read_image(block: Fields) -> Image:
    """Read a block of type ``image``. Raises: Unsupported."""
    source = block.within("source")
    block.ignore("type", "cache_control")
    block.end()
    match source.need("type", str):
        case "base64":
            return Image(_data_url(source))
        case "url":
            return Image(source.need("url", str))
        case "file":
            return Image(file_id=source.need("file_id", str))
        case kind:
            raise Unsupported(source.at("type"), f"{kind!r} is no source of an image")


def _read_document(block: Fields) -> File:
    """Read a block of type ``document``. Raises: Unsupported."""
    source, name = block.within("source"), block.take("title", str)
    block.ignore("type", "cache_control", "citations")
    block.end()
    match source.need("type", str):
        case "base64":
            return File(_data_url(source), name=name)
        case "url":
            return File(source.need("url", str), name=name)
        case "file":
            return File(file_id=source.need("file_id", str), name=name)
        case "text":
            return File(text=source.need("data", str), name=name)
        case "content":
            return File(text=_chunks(source), name=name)
        case kind:
            raise Unsupported(source.at("type"), f"{kind!r} is no source of a document")


def _data_url(source: Fields) -> str:
    return f"data:{source.need('media_type', str)};base64,{source.need('data', str)}"


def _chunks(source: Fields) -> str:
    if isinstance(source.left.get("content"), str):
        return source.need("content", str)
    where = source.at("content")
    chunks = enumerate(source.need("content", list))
    return "\n\n".join(_chunk(Fields(chunk, f"{where}[{at}]")) for at, chunk in chunks)


def _chunk(chunk: Fields) -> str:
    kind = chunk.take("type", str)
    if kind != "text":
        raise Unsupported(chunk.where, f"{kind!r} within a document cannot be carried")
    return chunk.need("text", str)


def write_image(image: Image, where: str, *, kept_here: bool) -> dict[str, Any]:
    """Write an image; ``kept_here`` says that ids of files are those of a Messages upstream.

    Raises: Unsupported.
    """
    if image.file_id:
        return {"type": "image", "source": _kept(image.file_id, where, kept_here)}
    if not image.url.startswith("data:"):
        return {"type": "image", "source": _at(image.url, where)}
    media, data = _data_of(image.url, where)
    media = _SPELLINGS.get(media, media)
    if media not in _PICTURES:
        raise Unsupported(where, f"an image of type {media!r} has no place in Messages")
    return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}


def write_document(file: File, where: str, *, kept_here: bool) -> dict[str, Any]:
    """Write a document; see ``write_image``. Raises: Unsupported."""
    if file.file_id:
        source = _kept(file.file_id, where, kept_here)
    elif not file.url:
        source = _plain(file.text)
    elif file.url.startswith("data:"):
        source = _held(file.url, where)
    else:
        source = _at(file.url, where)
    title = {} if file.name is None else {"title": file.name}
    return {"type": "document", "source": source, **title}


def _held(url: str, where: str) -> dict[str, Any]:
    media, data = _data_of(url, where)
    if media == _PDF:
        return {"type": "base64", "media_type": media, "data": data}
    if not media.startswith("text/") and media not in _WORDS:
        raise Unsupported(where, f"a document of type {media!r} has no place in Messages")
    try:
        return _plain(base64.b64decode(data, validate=True).decode())
    except (binascii.Error, UnicodeDecodeError):
        raise Unsupported(where, f"the document of type {media!r} is not text in UTF-8") from None


def _data_of(url: str, where: str) -> tuple[str, str]:
    head, comma, data = url[len("data:") :].partition(",")
    media, *parameters = [part.strip().lower() for part in head.split(";")]
    if not comma or "base64" not in parameters:
        raise Unsupported(where, "a data: URL must be of base64")
    return media, data


def _at(url: str, where: str) -> dict[str, Any]:
    if not url.startswith(("https://", "http://")):
        raise Unsupported(where, "neither a web address nor a data: URL")
    return {"type": "url", "url": url}


def _plain(words: str) -> dict[str, Any]:
    return {"type": "text", "media_type": "text/plain", "data": words}


def _kept(file_id: str, where: str, kept_here: bool) -> dict[str, Any]:
    if not kept_here:
        raise Unsupported(where, "a file that an upstream of another API keeps")
    return {"type": "file", "file_id": file_id}


READERS: dict[str, Callable[[Fields], Image | File]] = {
    "image": _read_image,
    "document": _read_document,
}
"""By the type of the block."""
