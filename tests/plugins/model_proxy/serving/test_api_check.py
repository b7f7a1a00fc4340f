"""A plugin with an API that lacks something is taken out, in words that name what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core.base.errors import PluginError
from clawmatrix_core.config.config import Config
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.kernel.node import Node
from clawmatrix_core.state.folder import MemoryState
from clawmatrix_model_proxy.api import ModelApi
from clawmatrix_model_proxy.plugin import ModelProxyPlugin
from clawmatrix_model_proxy.serving.api_check import check_api
from clawmatrix_model_proxy.serving.apis import BUILT_IN
from clawmatrix_model_proxy.serving.later_codec import LaterCodec, loaded
from tests.plugins.model_proxy.example_api.quill import QuillCodec, QuillPlugin

if TYPE_CHECKING:
    from collections.abc import Callable

QUILL = QuillPlugin().register_model_apis()[0]


class Changed(QuillCodec):
    """A codec whose members a test may replace."""


def codec(name: str, value: Any) -> Any:
    found = Changed()
    setattr(found, name, value)
    return found


def wrong(change: Callable[[ModelApi], ModelApi]) -> str:
    with pytest.raises(PluginError) as caught:
        check_api("quills", change(QUILL))
    words = str(caught.value)
    assert words.startswith("plugin quills: the model API ")
    return words.partition('": ')[2]


async def answers_later(*args: Any, **named: Any) -> Any:
    return {}


@pytest.mark.parametrize("api", [*BUILT_IN, QUILL], ids=lambda api: api.name)
def test_apis_that_are_right_pass(api: ModelApi) -> None:
    check_api("quills" if api is QUILL else "model-proxy", api)


@pytest.mark.parametrize("api", BUILT_IN, ids=lambda api: api.name)
def test_codecs_that_are_not_looked_at_lack_nothing(api: ModelApi) -> None:
    assert isinstance(api.codec, LaterCodec)
    codec: Any = type("Own", (type(loaded(api.codec)),), {"name": "quills:own"})()
    assert codec.rules == api.codec.rules
    paths = {"quills:own": "path"}
    check_api("quills", attrs.evolve(api, name="quills:one", codec=codec, paths=paths))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", "a b", "name must be a word"),
        ("name", 5, "name must be a word"),
        ("paths", {}, "paths must have a path"),
        ("paths", {"quill": "/talk"}, "paths['quill'] must be a path behind the base URL"),
        ("paths", {"quill": 5}, "paths['quill'] must be a path behind the base URL"),
        ("paths", {"quill": "a/{id}"}, "paths['quill'] may have {model} in it, but no {id}"),
        ("stream_path", "a#b", "stream_path must be a path behind the base URL"),
        ("stream_path", "{model", "stream_path may have {model} in it, but no {model"),
        ("list_path", "", "list_path must be a path behind the base URL"),
        ("key_header", "x-key", "key_header must be a header's name"),
        ("key_header", ("x key", ""), "key_header must be a header's name"),
        ("key_header", ("x-key", None), "key_header must be a header's name"),
        ("key_header", ("x-key", "a\r\nx: y"), "key_header must be a header's name"),
        ("key_header", ("content-length", ""), "key_header must be a header's name"),
        ("headers", None, "headers must be a mapping"),
        ("headers", {"x": "a\r\nEvil: 1"}, "headers['x'] must be a header's name"),
        ("headers", {"x": 5}, "headers['x'] must be a header's name"),
        ("headers", {"Host": "a"}, "headers['Host'] must be a header's name"),
        ("paths", {"quill": "x y"}, "paths['quill'] must be ASCII without spaces"),
        ("paths", {"quill": "x\r\nz"}, "paths['quill'] must be ASCII without spaces"),
        ("paths", {1: "x"}, "paths[1] must have a format's name"),
        ("paths", {"chat": "x", "quill": "y"}, "paths must have the codec's format 'quill' first"),
        ("list_path", "a b", "list_path must be ASCII without spaces"),
        ("name", "openai-completions", "name must have the plugin's name in front"),
        ("name", "a:" + "b" * 100, "name must be a word"),
    ],
)
def test_a_field_that_is_not_right_is_named(field: str, value: Any, words: str) -> None:
    assert wrong(lambda api: attrs.evolve(api, **{field: value})).startswith(words)


@pytest.mark.parametrize(
    ("member", "value", "words"),
    [
        ("name", "", "codec.name must be a word"),
        ("name", None, "codec.name must be a word"),
        ("write_request", None, "codec.write_request is missing; it is called as write_request("),
        ("write_request", lambda request: {}, "codec.write_request must take (request, *, model,"),
        ("read_answer", lambda body: {}, "codec.read_answer must take (body, *, new_id)"),
        ("reader", 5, "codec.reader must take (*, new_id)"),
        ("read_error", lambda body: None, "codec.read_error must take (status, body)"),
        ("read_models", lambda: (), "codec.read_models must take (body)"),
        ("count_path", "/x", "codec.count_path must be a path behind the base URL"),
        ("write_count", lambda request: {}, "codec.write_count must take (request, *, model)"),
        ("read_answer", answers_later, "codec.read_answer must take (body, *, new_id), without"),
        ("count_path", "x", "codec.write_count is missing; count_path needs it"),
        ("rules", {"call_ids": 9}, "codec.rules must be ApiRules"),
        ("read_count", lambda body: 1, "codec.count_path is missing; read_count needs it"),
        ("name", "responses", "codec.name must not be 'responses', which is a format of clients"),
    ],
)
def test_a_member_of_a_codec_that_is_not_right_is_named(
    member: str, value: Any, words: str
) -> None:
    found = codec(member, value)
    assert wrong(lambda api: attrs.evolve(api, codec=found)).startswith(words)


def test_what_a_codec_need_not_have_may_be_missing() -> None:
    found = codec("read_error", None)
    found.read_models = None
    check_api("quills", attrs.evolve(QUILL, codec=found))


def test_pages_of_a_list_need_the_list() -> None:
    found = codec("next_models", lambda body: "")
    check_api("quills", attrs.evolve(QUILL, codec=found))
    found.read_models = None
    words = wrong(lambda api: attrs.evolve(api, codec=found))
    assert words == "codec.read_models is missing; next_models needs it"


class Half:
    """A plugin whose codec lacks all that a codec has."""

    extends = ("model-proxy",)

    @hookimpl
    def register_model_apis(self) -> list[ModelApi]:
        return [ModelApi("half:api", {"half": "talk"}, object())]  # type: ignore[arg-type]


@pytest.mark.anyio
@pytest.mark.parametrize("api", ["openai-completions", "half:api"])
async def test_a_plugin_with_a_wrong_api_is_taken_out_and_the_others_serve(api: str) -> None:
    models = [
        {"id": "m", "base_url": "http://127.0.0.1:1/v1"},
        {"id": "n", "base_url": "http://127.0.0.1:1/v1", "api": api},
    ]
    raw = {"node_id": "here", "secret": "s" * 40, "model-proxy": {"models": models}}
    plugins = [ModelProxyPlugin(), Half()]
    async with Node(Config.from_mapping(raw), plugins=plugins, state=MemoryState()) as node:
        info = node.plugins.get("Half")
        assert info is not None
        assert info.state == "failed"
        assert str(info.reason).startswith('the model API "half:api": codec.name must be a word')
        offered = [one["id"] for one in node.offers()["models"]]
    assert offered == (["m", "n"] if api == "openai-completions" else ["m"])


@pytest.mark.anyio
async def test_a_wrong_api_is_found_where_no_model_needs_it() -> None:
    raw = {"node_id": "here", "secret": "s" * 40}
    plugins = [ModelProxyPlugin(), Half()]
    async with Node(Config.from_mapping(raw), plugins=plugins, state=MemoryState()) as node:
        info = node.plugins.get("Half")
        assert info is not None
        assert info.state == "failed"
