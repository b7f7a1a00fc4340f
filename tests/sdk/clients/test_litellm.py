"""LiteLLM's proxy as an upstream: it converts too, between the node and the model servers."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, get_args

import openai
import pytest

from tests.integration.conftest import free_port, wait_for
from tests.sdk.clients.asking import API, Asking, outcomes, refused
from tests.sdk.clients.conftest import ENVIRONMENTS
from tests.sdk.conftest import APIS, models, running_mesh
from tests.sdk.things import CITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.sdk.clients.tried import Tried
    from tests.sdk.conftest import Mesh

FOLDER = ENVIRONMENTS / "python/litellm"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@contextmanager
def proxy(folder: Path, upstreams: dict[str, str], key: str) -> Iterator[str]:
    """Run the proxy before the model servers, by their chat completions, and give its port."""
    port = str(free_port())
    served = [
        {
            "model_name": name,
            "litellm_params": {
                "model": "openai/completions",
                "api_base": f"http://127.0.0.1:{upstreams[kind]}/v1",
                "api_key": "any",
            },
        }
        for name, kind in (("words", ""), ("counts", "plain-"))
    ]
    config = {"model_list": served, "general_settings": {"master_key": key}}
    file = folder / "litellm.json"
    file.write_text(json.dumps(config))  # JSON is YAML
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    command = [str(FOLDER / "bin/litellm"), "--config", str(file), "--host", "127.0.0.1"]
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", port, "--telemetry", "False"],
            env=own,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        health = f"http://127.0.0.1:{port}/health/liveliness"
        wait_for(lambda: urllib.request.urlopen(health, timeout=5).status == 200, "it answers", 120)
        yield port
    except AssertionError as error:
        raise AssertionError((folder / "litellm.log").read_text()[-3000:]) from error
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def litellm(upstreams: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    """Run a mesh before the proxy, which speaks all three APIs."""
    folder = tmp_path_factory.mktemp("litellm")
    key = f"sk-{secrets.token_hex(32)}"
    with proxy(folder, upstreams, key) as port:
        served = models({f"words-{api}": "words" for api in APIS}, port, key)
        served += models({f"counts-{api}": "counts" for api in APIS}, port, key)
        with running_mesh(folder, served) as mesh:
            yield mesh


def words(asking: Asking) -> None:
    assert asking.ask([asking.user("hello there")]).text == "You said: hello there"
    assert asking.ask([asking.user("something long")]).text.strip() == ("word " * 400).strip()


def calls(asking: Asking) -> None:
    said = [asking.user("the weather here and there")]
    answer = asking.ask(said, tools=asking.tools())
    assert [c[1:] for c in answer.calls] == [
        ("get_weather", {"city": "Oslo"}),
        ("get_weather", {"city": "Rome"}),
    ], answer
    said += [*answer.said, *asking.results(answer, ["rain in Oslo", "sun in Rome"])]
    answer = asking.ask(said, tools=asking.tools())
    assert answer.text == CITIES["the weather here and there"]
    said += [*answer.said, asking.user("hello again")]
    assert asking.ask(said, tools=asking.tools()).text == "You said: hello again"


def usage(asking: Asking) -> None:
    counting = Asking(asking.mesh, asking.api, asking.model.replace("words", "counts"), asking.live)
    assert counting.ask([counting.user("hello there")]).tokens == (17, 5)


def errors(asking: Asking) -> None:
    refused(asking, "something wrong", "That is no request.")


USES: dict[str, Callable[[Asking], None]] = {
    "words": words,
    "tools over two turns": calls,
    "usage": usage,
    "errors": errors,
}


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("api", get_args(API))
def test_each_api_reaches_each_api_of_it(litellm: Mesh, tried: Tried, api: API, live: bool) -> None:
    wrong: dict[str, str] = {}
    for upstream in APIS:
        found = outcomes(Asking(litellm, api, f"words-{upstream}", live), USES)
        seen: dict[str, Any] = {"versions": {"litellm": _version()}, "found": found}
        told = tried.add("LiteLLM", f"{api}, {'streamed' if live else 'whole'}", upstream, seen)
        wrong |= {f"{use}, {upstream}": error for use, error in told.items()}
    assert wrong == {}


def test_it_embeds(litellm: Mesh) -> None:
    with openai.OpenAI(base_url=litellm.url, api_key=litellm.token, max_retries=0) as client:
        found = client.embeddings.create(model="words-completions", input=["here", "there"]).data
    assert len(found) == 2
    assert found[0].embedding != found[1].embedding


def _version() -> str:
    [package] = FOLDER.glob("lib/*/site-packages/litellm-*.dist-info")
    return package.name.removeprefix("litellm-").removesuffix(".dist-info")
