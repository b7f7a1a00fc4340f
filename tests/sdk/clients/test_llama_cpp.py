"""llama.cpp as an upstream: a real server, with a model of random weights that the test makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import openai
import pytest

from tests.sdk.clients.asking import API, Asking, outcomes, refused
from tests.sdk.clients.conftest import ENVIRONMENTS, HERE
from tests.sdk.conftest import APIS, models, running_mesh, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.sdk.clients.tried import Tried
    from tests.sdk.conftest import Mesh

PYTHON = ENVIRONMENTS / "python/llama-cpp/bin/python"
SERVER = HERE / "servers/llama_cpp.py"
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Oslo", "Rome"]}},
    "required": ["city"],
    "additionalProperties": False,
}
LONG = "word " * 900
pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def llama(upstreams: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Run a mesh before two servers of llama.cpp: one for words, one for embeddings.

    The model `long-completions` is at the first of them, and, where that refuses, at another.
    """
    folder = tmp_path_factory.mktemp("llama")
    command = (str(PYTHON), str(SERVER), str(folder))
    with serving(*command) as words, serving(*command, "embeddings") as vectors:
        ids = dict.fromkeys([f"llama-{api}" for api in APIS], "random")
        served = models(ids, words)
        served += models({"embed-completions": "random"}, vectors)
        served += models({"long-completions": "random"}, words)
        served += models({"long-completions": "completions"}, upstreams[""])
        with running_mesh(folder, served) as mesh:
            yield mesh


def words(asking: Asking) -> None:
    answer = asking.ask([asking.user("hello there")], limit=20)
    assert len(answer.text) >= 20, answer
    # its own Responses say that every answer is complete
    assert answer.cut or "responses" in asking.model, answer
    prompt, said = answer.tokens
    assert prompt > 40, answer
    assert said == 20, answer


def calls(asking: Asking) -> None:
    # with several calls it would go on with calls until its limit
    one: dict[str, Any] = {"tool_choice": "required", "parallel_tool_calls": False}
    if asking.api == "Messages":
        one = {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}}
    said = [asking.user("the weather here")]
    answer = asking.ask(said, tools=asking.tools(CITY), **one)
    assert not answer.cut, answer
    assert answer.calls, answer
    assert {name for _, name, _ in answer.calls} == {"get_weather"}, answer
    cities = [arguments["city"] for _, _, arguments in answer.calls]
    assert set(cities) <= {"Oslo", "Rome"}, answer
    results = asking.results(answer, [f"rain in {city}" for city in cities])
    assert asking.ask([*said, *answer.said, *results], limit=20).text


def objects(asking: Asking) -> None:
    schema: dict[str, dict[str, Any]] = {
        "chat": {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "place", "schema": CITY},
            }
        },
        "Responses": {"text": {"format": {"type": "json_schema", "name": "place", "schema": CITY}}},
        "Messages": {"output_config": {"format": {"type": "json_schema", "schema": CITY}}},
    }
    answer = asking.ask([asking.user("a place, as data")], **schema[asking.api])
    assert json.loads(answer.text)["city"] in ("Oslo", "Rome")


def too_long(asking: Asking) -> None:
    refused(asking, LONG, "context")


USES: dict[str, Callable[[Asking], None]] = {
    "words": words,
    "calls, and their results": calls,
    "objects by a schema": objects,
    "a prompt that is too long": too_long,
}


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("api", get_args(API))
def test_each_api_reaches_each_api_of_it(llama: Mesh, tried: Tried, api: API, live: bool) -> None:
    wrong: dict[str, str] = {}
    for upstream in APIS:
        # its other two APIs pay no heed to a schema
        uses = USES if upstream == "completions" else USES.keys() - {"objects by a schema"}
        asking = Asking(llama, api, f"llama-{upstream}", live)
        found = outcomes(asking, {use: USES[use] for use in USES if use in uses})
        seen = {"versions": {"xllamacpp": _version()}, "found": found}
        told = tried.add("llama.cpp", f"{api}, {'streamed' if live else 'whole'}", upstream, seen)
        wrong |= {f"{use}, {upstream}": error for use, error in told.items()}
    assert wrong == {}


def test_a_prompt_that_is_too_long_for_it_goes_to_the_next(llama: Mesh) -> None:
    for api in get_args(API):
        for live in (False, True):
            asking = Asking(llama, api, "long-completions", live)
            assert asking.ask([asking.user(LONG)]).text.startswith("You said: word word")


def test_it_embeds(llama: Mesh) -> None:
    with openai.OpenAI(base_url=llama.url, api_key=llama.token, max_retries=0) as client:
        found = client.embeddings.create(model="embed-completions", input=["here", "there"]).data
    assert [len(one.embedding) for one in found] == [64, 64]
    assert found[0].embedding != found[1].embedding


def _version() -> str:
    [package] = PYTHON.parents[1].glob("lib/*/site-packages/xllamacpp-*.dist-info")
    return package.name.removeprefix("xllamacpp-").removesuffix(".dist-info")
