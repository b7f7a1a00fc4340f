"""Checks of upstreams: is each one there, does it take the key, does it know the model?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anyio
import anyio.to_thread
import attrs

from clawmatrix_core import Check, ExchangeFailure, Finding
from clawmatrix_model_proxy.http.client import HttpClient
from clawmatrix_model_proxy.http.dialler import HttpAddress, HttpDialler
from clawmatrix_model_proxy.neutral.bodies import decode_object, error_words
from clawmatrix_model_proxy.neutral.depth import answer_depth
from clawmatrix_model_proxy.neutral.failures import BadAnswer
from clawmatrix_model_proxy.serving.apis import BUILT_IN
from clawmatrix_model_proxy.serving.later_codec import reading
from clawmatrix_model_proxy.serving.paths import name_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clawmatrix_model_proxy.api import ModelApi, ModelUpstream
    from clawmatrix_model_proxy.config import ModelProxyConfig

__all__ = ["Answered", "judge", "upstream_checks"]

_NAME = "model-proxy.upstream"
_LIMIT = 10.0
"""Seconds an upstream has for its list of models."""
_AT_A_TIME = 16
"""Upstreams that are asked at the same time."""
_PAGES = 20
"""Pages of a list that are read at most."""
_NO_LIST = frozenset({404, 405})
"""Statuses of upstreams that answer, but list no models."""
_LIST_LIMIT = 4 * 1024 * 1024


@attrs.frozen
class Answered:
    """What an upstream says to the question for its models.

    Attributes:
        status: its HTTP status.
        models: the names that it lists, None where it gives no list, or a part of one.
        amounts_to: the status that its error amounts to, where the API says another one.
    """

    status: int
    models: frozenset[str] | None = None
    amounts_to: int | None = None


def upstream_checks(
    config: ModelProxyConfig,
    models: Callable[[], Iterable[ModelUpstream]],
    apis: Callable[[], Iterable[ModelApi]] = lambda: BUILT_IN,
) -> list[Check]:
    """Return the checks of what a node serves; ``apis`` are those that it knows."""

    async def upstreams() -> Sequence[Finding]:
        served = list(models())
        if not served:
            return [Finding(_NAME, "skipped", "this node serves no models")]
        dialler = await anyio.to_thread.run_sync(_make_dialler, config)
        known = {api.name: api for api in apis()}
        asker = _Asker(HttpClient(dialler, write=_LIMIT), dialler)
        found = [_not_asked(model) for model in served]

        places: dict[object, list[int]] = {}
        for number, model in enumerate(served):
            if model.api in known:
                places.setdefault((model.base_url, model.api, model.keys[:1]), []).append(number)

        async def ask(numbers: list[int]) -> None:
            async with limiter:
                models = [served[number] for number in numbers]
                api = known[models[0].api]
                codec = await anyio.to_thread.run_sync(reading, api.codec)
                api = attrs.evolve(api, codec=codec)
                for number, finding in zip(numbers, await asker.look(models, api), strict=True):
                    found[number] = finding

        limiter = anyio.CapacityLimiter(_AT_A_TIME)
        try:
            async with anyio.create_task_group() as tasks:
                for numbers in places.values():
                    tasks.start_soon(ask, numbers)
        finally:
            await asker.client.aclose()
        return found

    return [Check(_NAME, upstreams)]


def _make_dialler(config: ModelProxyConfig) -> HttpDialler:
    return HttpDialler(config.connect_timeout, proxy_from_env=config.proxy_from_env)


def _not_asked(model: ModelUpstream) -> Finding:
    detail = f"{model.id}: {model.api} is a plugin's API, which a node at rest does not know"
    return Finding(_NAME, "skipped", detail, "start the node, then ask again")


@attrs.frozen
class _Asker:
    client: HttpClient
    dialler: HttpDialler

    async def look(self, models: Sequence[ModelUpstream], api: ModelApi) -> list[Finding]:
        """Ask an upstream for its models, and judge what it says of each of these."""
        failure = f"nothing came within {_LIMIT:g} s"
        try:
            with anyio.move_on_after(_LIMIT):
                answered = await self._ask(models[0], api)
                return [judge(model, answered, api) for model in models]
        except (ExchangeFailure, ValueError, BadAnswer) as error:
            failure = str(error)
        advice = "start the server there, or correct base_url; look at firewalls on the way"
        details = (f"{model.id} at {model.base_url}: {failure}" for model in models)
        return [Finding(_NAME, "problem", detail, advice) for detail in details]

    async def _ask(self, model: ModelUpstream, api: ModelApi) -> Answered:
        """Raises: ExchangeFailure, BadAnswer."""
        found: set[str] = set()
        path = api.list_path
        for _ in range(_PAGES):
            status, body = await self._get(model, api, path)
            if status != 200:
                words = error_words(api.codec, status, body)
                return Answered(status, amounts_to=words.status if words is not None else None)
            fields = _fields(body)
            listed = _listed(fields, api)
            if listed is None and not found:
                return Answered(status)
            found |= listed or set()
            query = _next_page(fields, api)
            if not query:
                return Answered(status, frozenset(found))
            path = f"{api.list_path}{'&' if '?' in api.list_path else '?'}{query}"
        return Answered(status)  # there is more of it: whether it has the model nobody knows

    async def _get(self, model: ModelUpstream, api: ModelApi, path: str) -> tuple[int, bytes]:
        address = HttpAddress.parse(f"{model.base_url.rstrip('/')}/{path}")
        answer = await self.client.ask(address, self._request(address, model, api))
        body = b""
        try:
            while len(body) < _LIST_LIMIT and (piece := await answer.receive()):
                body += piece
        finally:
            await answer.close()
        return answer.status, body

    def _request(self, address: HttpAddress, model: ModelUpstream, api: ModelApi) -> bytes:
        target, more = self.dialler.target(address)
        headers = dict(api.headers)
        if model.keys:
            name, before = api.key_header
            headers[name] = before + model.keys[0].reveal()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"GET {target} HTTP/1.1\r\nhost: {address.authority}\r\n{more}{lines}"
        return f"{head}accept-encoding: identity\r\nuser-agent: clawmatrix\r\n\r\n".encode()


def _fields(body: bytes) -> dict[str, Any]:
    try:
        return decode_object(body)
    except BadAnswer:
        return {}


@answer_depth()
def _listed(fields: dict[str, Any], api: ModelApi) -> set[str] | None:
    """Return the names on a page of a list, None where it is none. Raises: BadAnswer."""
    read_models = getattr(api.codec, "read_models", None)  # as ``ListsModels`` has it
    if read_models is not None:
        return set(read_models(fields)) or None
    entries = fields.get("data")
    if not isinstance(entries, list):
        return None
    return {str(one["id"]) for one in entries if isinstance(one, dict) and "id" in one}


@answer_depth()
def _next_page(fields: dict[str, Any], api: ModelApi) -> str:
    """Return the query for the page behind this one, empty at the last. Raises: BadAnswer."""
    next_models = getattr(api.codec, "next_models", None)  # as ``PagesModels`` has it
    if next_models is not None:
        return quote(next_models(fields), safe="=&%")
    last = fields.get("last_id")
    if fields.get("has_more") is not True or not isinstance(last, str):
        return ""
    return f"after_id={quote(last, safe='')}"  # Anthropic's; others have one page


def judge(model: ModelUpstream, answered: Answered, api: ModelApi = BUILT_IN[0]) -> Finding:
    """Return what an answer says of a model, whose upstream speaks ``api``. Pure."""
    where = f"{model.id} at {model.base_url}"
    status, listed = answered.status, answered.models
    means = answered.amounts_to or status
    if means in (401, 403):
        key = "refuses the key" if model.keys else "wants a key"
        advice = "correct api_key of this model, then `clawmatrix reload`"
        return Finding(_NAME, "problem", f"{where}: the upstream {key} (HTTP {status})", advice)
    if means >= 400 and means not in _NO_LIST:
        detail = f"{where}: the upstream answers HTTP {status}"
        return Finding(_NAME, "warning", detail, "look at the upstream itself")
    names = {model.name_there, name_there(model, next(iter(api.paths.values())))}
    if listed is not None and not names & listed:
        detail = f"{where}: the upstream does not list {model.name_there!r}"
        advice = "correct id or upstream_model, or have the upstream load it"
        return Finding(_NAME, "warning", detail, advice)
    more = "and lists it" if listed is not None else f"(HTTP {status} for its list of models)"
    return Finding(_NAME, "ok", f"{where}: the upstream answers {more}")
