"""Checks of upstreams: is each one there, does it take the key, does it know the model?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
import attrs
import msgspec

from clawmatrix_core import Check, ExchangeFailure, Finding
from clawmatrix_model_proxy.http.client import HttpClient
from clawmatrix_model_proxy.http.dialler import HttpAddress, HttpDialler
from clawmatrix_model_proxy.neutral.codec import BadAnswer, ListsModels
from clawmatrix_model_proxy.serving.apis import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from clawmatrix_model_proxy.api import ModelApi, ModelUpstream
    from clawmatrix_model_proxy.config import ModelProxyConfig

__all__ = ["Answered", "judge", "upstream_checks"]

_NAME = "model-proxy.upstream"
_LIMIT = 10.0
"""Seconds an upstream has for its list of models."""
_LIST_LIMIT = 4 * 1024 * 1024


@attrs.frozen
class Answered:
    """What an upstream says to the question for its models.

    ``models`` are the names that it lists, None where it gives no list.
    """

    status: int
    models: frozenset[str] | None = None


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

        async def ask(number: int, model: ModelUpstream) -> None:
            found[number] = await asker.look(model, known[model.api])

        try:
            async with anyio.create_task_group() as tasks:
                for number, model in enumerate(served):
                    if model.api in known:
                        tasks.start_soon(ask, number, model)
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

    async def look(self, model: ModelUpstream, api: ModelApi) -> Finding:
        """Ask an upstream for its models, and judge what it says."""
        failure = f"nothing came within {_LIMIT:g} s"
        try:
            with anyio.move_on_after(_LIMIT):
                return judge(model, await self._ask(model, api))
        except (ExchangeFailure, ValueError, BadAnswer) as error:
            failure = str(error)
        advice = "start the server there, or correct base_url; look at firewalls on the way"
        return Finding(_NAME, "problem", f"{model.id} at {model.base_url}: {failure}", advice)

    async def _ask(self, model: ModelUpstream, api: ModelApi) -> Answered:
        """Raises: ExchangeFailure."""
        address = HttpAddress.parse(f"{model.base_url.rstrip('/')}/{api.list_path}")
        answer = await self.client.ask(address, self._request(address, model, api))
        body = b""
        try:
            while len(body) < _LIST_LIMIT and (piece := await answer.receive()):
                body += piece
        finally:
            await answer.close()
        return Answered(answer.status, _listed(body, api) if answer.status == 200 else None)

    def _request(self, address: HttpAddress, model: ModelUpstream, api: ModelApi) -> bytes:
        target, more = self.dialler.target(address)
        headers = dict(api.headers)
        if model.keys:
            name, before = api.key_header
            headers[name] = before + model.keys[0].reveal()
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"GET {target} HTTP/1.1\r\nhost: {address.authority}\r\n{more}{lines}"
        return f"{head}accept-encoding: identity\r\nuser-agent: clawmatrix\r\n\r\n".encode()


def _listed(body: bytes, api: ModelApi) -> frozenset[str] | None:
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    fields: dict[str, Any] = value if isinstance(value, dict) else {}
    codec: object = api.codec
    if isinstance(codec, ListsModels):
        return frozenset(codec.read_models(fields)) or None
    entries = fields.get("data")
    if not isinstance(entries, list):
        return None
    return frozenset(str(one["id"]) for one in entries if isinstance(one, dict) and "id" in one)


def judge(model: ModelUpstream, answered: Answered) -> Finding:
    """Return what an answer says of a model. Pure."""
    where = f"{model.id} at {model.base_url}"
    status, listed = answered.status, answered.models
    if status in (401, 403):
        key = "refuses the key" if model.keys else "wants a key"
        advice = "correct api_key of this model, then `clawmatrix reload`"
        return Finding(_NAME, "problem", f"{where}: the upstream {key} (HTTP {status})", advice)
    if status == 429 or status >= 500:
        detail = f"{where}: the upstream answers HTTP {status}"
        return Finding(_NAME, "warning", detail, "look at the upstream itself")
    if listed is not None and model.name_there not in listed:
        detail = f"{where}: the upstream does not list {model.name_there!r}"
        advice = "correct id or upstream_model, or have the upstream load it"
        return Finding(_NAME, "warning", detail, advice)
    more = "and lists it" if listed is not None else f"(HTTP {status} for its list of models)"
    return Finding(_NAME, "ok", f"{where}: the upstream answers {more}")
