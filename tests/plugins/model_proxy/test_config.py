"""The ``[model-proxy]`` table."""

from __future__ import annotations

import math
from typing import Any

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.config import Config, ConfigSection, Secret
from clawmatrix_model_proxy.api import ModelUpstream
from clawmatrix_model_proxy.config import Budgets, ModelProxyConfig
from clawmatrix_model_proxy.config_checks import check_times
from clawmatrix_model_proxy.model_config import check_model

MODEL = {"id": "m", "base_url": "http://127.0.0.1:1/v1"}


def read(**table: Any) -> ModelProxyConfig:
    """Return the table as the plugin gets it."""
    config = Config.from_mapping({"node_id": "here", "secret": "s" * 40, "model-proxy": table})
    config.bind([ConfigSection("model-proxy", ModelProxyConfig)])
    return config.section(ModelProxyConfig)


def test_the_defaults_ask_everyone_and_serve_nothing() -> None:
    config = read()
    assert (config.nodes, config.models) == (None, ())
    assert config.budgets == Budgets()


def test_a_model_needs_its_id_and_address_alone() -> None:
    [model] = read(models=[MODEL]).models
    assert (model.api, model.upstream.name_there, model.api_key) == (
        "openai-completions",
        "m",
        None,
    )
    [model] = read(models=[{**MODEL, "upstream_model": "m:1b", "api_key": "k"}]).models
    assert model.upstream.name_there == "m:1b"
    assert "'k'" not in repr(model)


def test_budgets_are_set_in_words() -> None:
    config = read(connect_timeout="100ms", first_byte_timeout="2m", idle_timeout=7)
    assert config.budgets == Budgets(0.1, 120.0, 7.0)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ({"api": "openai-telepathy"}, "model-proxy.models[0].api"),
        ({"base_url": "127.0.0.1:1"}, "model-proxy.models[0].base_url"),
        ({"base_url": "ftp://host/v1"}, "model-proxy.models[0].base_url"),
        ({"base_url": "http://"}, "model-proxy.models[0].base_url"),
        ({"base_url": "http://[::1/v1"}, "model-proxy.models[0].base_url"),
        ({"base_url": "http://user:pw@host/v1"}, "model-proxy.models[0].base_url"),
        ({"base_url": "http://host/v1?x=1"}, "model-proxy.models[0].base_url"),
        ({"id": ""}, "model-proxy.models[0].id"),
        ({"id": "/m"}, "model-proxy.models[0].id"),
        ({"id": "m\n"}, "model-proxy.models[0].id"),
        ({"api_key": "two\nlines"}, "model-proxy.models[0].api_key"),
        ({"url": "x"}, "model-proxy.models[0].url"),
    ],
)
def test_mistakes_in_a_model_are_named_by_path(model: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(models=[{**MODEL, **model}])
    assert any(problem.startswith(f"{path}: ") for problem in caught.value.problems)


def test_a_wrong_api_lists_the_right_ones() -> None:
    with pytest.raises(ConfigError, match="openai-completions"):
        read(models=[{**MODEL, "api": "openai"}])


def test_an_id_has_several_upstreams_but_not_any_number() -> None:
    assert len(read(models=[MODEL, MODEL]).models) == 2
    with pytest.raises(ConfigError, match=r'model-proxy\.models: the id "m" is there more'):
        read(models=[MODEL] * 17)


def test_all_keys_of_a_model_are_in_order() -> None:
    [model] = read(models=[{**MODEL, "api_key": "a", "api_keys": ["b", "c"]}]).models
    assert [key.reveal() for key in model.upstream.keys] == ["a", "b", "c"]
    [model] = read(models=[MODEL]).models
    assert model.upstream.keys == ()


@pytest.mark.parametrize(
    "hold",
    [
        "of",
        "5",
        "tokens",
        "-5s",
        "",
        "1.5 tokens",
        "90000s",
        "9" * 309 + "s",
        "1e3s",
        "nan s",
        "\u0665s",
    ],
)
def test_a_hold_that_is_none_is_named(hold: str) -> None:
    with pytest.raises(ConfigError, match=r"model-proxy\.hold: "):
        read(hold=hold)


def test_a_time_limit_is_more_than_nothing() -> None:
    with pytest.raises(ConfigError, match=r"model-proxy\.idle_timeout: must be more than zero"):
        read(idle_timeout=0)


URL = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (ModelUpstream("", URL), "id: must be 1 to 200"),
        (ModelUpstream("m", URL, idle_timeout=0.0), "idle_timeout: must be a number of seconds"),
        (ModelUpstream("m", URL, first_token_timeout=math.inf), "first_token_timeout: must be"),
        (ModelUpstream("q", "q"), "base_url: must be a URL like"),
        (ModelUpstream("q", URL, keys=(Secret("\n"),)), "keys: must be printable ASCII"),
        (ModelUpstream("q", URL, max_tokens=0), "max_tokens: must be more than zero"),
    ],
)
def test_a_wrong_value_of_a_model_is_named_by_its_field(model: ModelUpstream, told: str) -> None:
    with pytest.raises(ValueError, match=f"^{told}"):
        check_model(model)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"id": 7, "base_url": URL}, "id: expected str, not int"),
        ({"id": "q", "base_url": None}, "base_url: expected str, not NoneType"),
        ({"id": "q", "base_url": URL, "api": None}, "api: expected str, not NoneType"),
        ({"id": "q", "base_url": URL, "keys": "k"}, "keys: expected tuple, not str"),
        ({"id": "q", "base_url": URL, "keys": ("k",)}, "keys: expected a Secret, not str"),
        ({"id": "q", "base_url": URL, "max_tokens": True}, "max_tokens: expected int, not bool"),
    ],
)
def test_a_field_of_another_type_is_named(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(TypeError, match=f"^{told}$"):
        check_model(ModelUpstream(**fields))


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (
            {"models": [{**MODEL, "first_token_timeout": "3m"}]},
            ("models", 0, "first_token_timeout"),
        ),
        ({"models": [MODEL, {**MODEL, "idle_timeout": "11m"}]}, ("models", 1, "idle_timeout")),
        ({"whole_answer_timeout": "3m"}, ("whole_answer_timeout",)),
        ({"first_byte_timeout": "50s", "whole_answer_timeout": "51s"}, ("whole_answer_timeout",)),
    ],
)
def test_a_time_is_no_longer_than_one_within_which_it_lies(
    table: dict[str, Any], told: tuple[str | int, ...]
) -> None:
    [(place, words)] = check_times(read(**table))
    assert place == told
    assert "is longer than" in words


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"first_byte_timeout": "5s"},
        {"first_byte_timeout": "5m", "whole_answer_timeout": "4m"},
        {"models": [{**MODEL, "first_token_timeout": "2m", "idle_timeout": "5m"}]},
    ],
)
def test_times_that_fit_are_no_mistake(table: dict[str, Any]) -> None:
    assert list(check_times(read(**table))) == []


def test_a_model_has_times_of_its_own() -> None:
    [model] = read(models=[{**MODEL, "first_token_timeout": "1m", "idle_timeout": 90}]).models
    assert (model.upstream.first_token_timeout, model.upstream.idle_timeout) == (60.0, 90.0)
    assert Budgets().of(model.upstream) == Budgets(idle=90.0)
    assert Budgets(idle=7.0).of(ModelUpstream("m", URL)).idle == 7.0
    with pytest.raises(ConfigError, match=r"models\[0\]\.idle_timeout: must be more than zero"):
        read(models=[{**MODEL, "idle_timeout": 0}])
