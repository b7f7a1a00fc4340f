"""What a node offers: in its record, in its list, and what has no room in either."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.hookspecs import hookimpl
from clawmatrix_core.members.record import OFFER_LIMIT, check_offer
from clawmatrix_model_proxy.api import ModelUpstream
from clawmatrix_model_proxy.offer import LIST_LIMIT, MODELS_MOST, OfferRoom, make_offer
from tests.plugins.model_proxy.test_config import read

if TYPE_CHECKING:
    from clawmatrix_core.testing.fixtures import NodeFactory


def model(
    id_: str, description: str | None = None, api: str = "openai-completions"
) -> ModelUpstream:
    return ModelUpstream(id_, "http://127.0.0.1:1/v1", api, description=description)


def test_a_few_models_stand_in_the_record_and_there_is_no_list() -> None:
    offered = make_offer([model("a", "first"), model("b"), model("a", "second")])
    assert offered.entries == [
        {"id": "a", "api": "openai-completions", "upstreams": 2, "description": "first"},
        {"id": "b", "api": "openai-completions", "upstreams": 1},
    ]
    assert offered.in_record == offered.entries
    assert offered.lists == []


def test_upstreams_that_speak_different_apis_are_told_in_their_order() -> None:
    mixed = [model("a"), model("a", api="p:x"), model("b"), model("b"), model("a")]
    assert make_offer(mixed).entries == [
        {
            "id": "a",
            "api": "openai-completions",
            "upstreams": 3,
            "apis": ["openai-completions", "p:x", "openai-completions"],
        },
        {"id": "b", "api": "openai-completions", "upstreams": 2},
    ]


def test_the_apis_of_upstreams_take_room_too() -> None:
    room = OfferRoom()
    apis = [letter * 100 for letter in "xyz"]
    models = [model(f"m{number}", api=api) for number in range(MODELS_MOST) for api in apis]

    def taken() -> int:
        for count, one in enumerate(models):
            try:
                room.take(one)
            except ValueError as error:
                assert "do not fit" in str(error)  # noqa: PT017 - how far it came is what counts
                return count
        return len(models)

    count = taken()
    assert count < len(models)
    assert len(make_offer(models[:count]).text) <= LIST_LIMIT


def test_too_many_models_for_a_record_are_in_a_list_that_it_names() -> None:
    offered = make_offer(model(f"provider/model-{number}") for number in range(3000))
    assert len(offered.entries) == 3000
    assert offered.entries[: len(offered.in_record)] == offered.in_record
    assert 0 < check_offer(offered.in_record) <= OFFER_LIMIT
    assert check_offer(offered.entries[:1]) + check_offer(offered.in_record) > OFFER_LIMIT
    [named] = offered.lists
    assert named == {"digest": hashlib.sha256(offered.text).hexdigest(), "count": 3000}
    assert json.loads(offered.text) == offered.entries
    assert len(offered.text) < LIST_LIMIT


def test_the_model_that_is_one_too_many_is_named() -> None:
    room = OfferRoom()
    for number in range(MODELS_MOST):
        room.take(model(f"m{number}"))
    room.take(model("m0"))  # one more upstream of it
    with pytest.raises(ValueError, match=r'the model "more" is one too many: .* 10000 at most'):
        room.take(model("more"))


def test_the_model_from_which_on_none_fits_is_named() -> None:
    room = OfferRoom()
    models = [model(f"m{number}", "x" * 1990) for number in range(2000)]

    def take_all() -> None:
        for one in models:
            room.take(one)

    with pytest.raises(ValueError, match=r'the model "m\d+" and those behind it do not fit') as it:
        take_all()
    fit = int(str(it.value).split('"')[1][1:])
    text = make_offer(models[:fit]).text
    assert LIST_LIMIT - 4200 < len(text) <= LIST_LIMIT


def test_too_many_models_are_an_error_of_the_configuration_by_name() -> None:
    served = [{"id": f"m{n}", "base_url": "http://127.0.0.1:1/v1"} for n in range(MODELS_MOST + 1)]
    assert len(read(models=served[:-1]).models) == MODELS_MOST
    with pytest.raises(ConfigError, match=r'model-proxy\.models: the model "m10000" is one too'):
        read(models=served)


class Plentiful:
    """Serves more models than a node may offer."""

    plugin_name = "plentiful"
    extends = ("model-proxy",)

    @hookimpl
    def register_model_upstreams(self) -> list[ModelUpstream]:
        return [model(f"m{number}") for number in range(MODELS_MOST + 1)]


@pytest.mark.anyio
@pytest.mark.faults_expected
async def test_too_many_models_of_a_plugin_are_its_fault_by_name_and_the_others_stand(
    node_factory: NodeFactory,
) -> None:
    async with node_factory("n", built_in=("model-proxy",), plugins=[Plentiful()]) as node:
        assert node.offers()["models"][0]["id"] == "m0"
        assert node.offers()["model_lists"][0]["count"] == MODELS_MOST
        info = node.plugins.get("plentiful")
        assert info is not None
        assert 'the model "m10000" is one too many' in str(info.last_fault)
