"""The tests bite: each planted bug makes the tests that are named for it fail."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from msgspec.structs import replace

from clawmatrix_model_proxy.asking import candidates
from clawmatrix_model_proxy.asking.breaker import Breaker
from clawmatrix_model_proxy.asking.client_sender import ClientSender
from clawmatrix_model_proxy.asking.failover import TABLE, Action, Rule
from clawmatrix_model_proxy.asking.health import Health
from clawmatrix_model_proxy.asking.recollection import Recollection
from clawmatrix_model_proxy.convert import converted_stream, stop_cut, whole_calls
from clawmatrix_model_proxy.convert.chat import message_writer, tool_calls
from clawmatrix_model_proxy.convert.messages import settings as messages_settings
from clawmatrix_model_proxy.convert.messages import stream_writer as messages_writer
from clawmatrix_model_proxy.neutral.answer import Delta, Open
from clawmatrix_model_proxy.neutral.counts import Counts
from clawmatrix_model_proxy.neutral.fields import Fields
from clawmatrix_model_proxy.serving.owners import Owners
from clawmatrix_model_proxy.streams import endings, sse
from clawmatrix_model_proxy.streams.cut_out import CutOut
from tests.contract import test_request_fields
from tests.plugins.model_proxy import test_converted, test_stored
from tests.plugins.model_proxy.asking import (
    test_candidates,
    test_failover,
    test_health,
    test_hostile_answers,
    test_recollection,
    test_side_calls,
)
from tests.plugins.model_proxy.convert import (
    test_corruption,
    test_display,
    test_seals,
    test_stop_cut,
)
from tests.plugins.model_proxy.convert.chat import test_tool_calls
from tests.plugins.model_proxy.streams import test_stream_faults
from tests.plugins.model_proxy.test_converted import CHAT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from clawmatrix_core.testing.fixtures import NodeFactory
    from clawmatrix_model_proxy.faults import AttemptFault
    from clawmatrix_model_proxy.neutral.answer import Event
    from clawmatrix_model_proxy.serving.owners import Place
    from tests.plugins.model_proxy.conftest import Upstreaming

pytestmark = pytest.mark.anyio


def lose_an_event(
    self: converted_stream.UpstreamEvents,
    event: bytes,
    honest: Callable[..., Iterable[Event]] = converted_stream.UpstreamEvents._read,
) -> list[Event]:
    """Lose a word of the upstream's."""
    events = list(honest(self, event))
    return [one for one in events if not (isinstance(one, Delta) and one.text == "day.")]


async def hide_what_went_out(
    self: ClientSender, data: bytes = b"", honest: Callable[..., Any] = ClientSender._release
) -> None:
    """Forget that the client has had a part of an answer: the next candidate begins anew."""
    await honest(self, data)
    self.released = False


def never_close(self: Breaker) -> None:
    """Keep a breaker as it is, whatever succeeds."""
    self._probing = False


def try_it_everywhere(fault: AttemptFault) -> Rule:
    """Ask the next candidate whatever the request's own fault."""
    rule = next(rule for rule in TABLE if rule.fits(fault))
    return replace(rule, action=Action.NEXT) if rule.action is Action.END else rule


def no_usage(self: Counts, usage: object) -> None:
    """Drop what the upstream says an answer took."""


def let_it_pass(*given: Any) -> None:
    """Look at nothing, and write nothing."""


def say_it_again(*given: Any) -> str:
    """Take every further piece of a call for what came before."""
    return "again"


def write_no_usage(usage: Any) -> dict[str, Any]:
    """Write that an answer took nothing."""
    return {"input_tokens": 0, "output_tokens": 0}


def forget_what_was_cut_out(self: CutOut, last: bytes, *, harmless: bool = False) -> None:
    """Count an event that could not be read, and think no more of it."""
    self.count += 1


def let_halves_out(self: sse.WholeEvents, data: bytes) -> bytes:
    """Let everything out as it comes, wherever the exchange cut it."""
    return data


def take_any_end(payloads: object) -> endings.Ending:
    """Take every end of a stream for its right one."""
    return endings.Ending.FINISHED


def find_for_anybody(self: Owners, key: bytes, id_: str) -> Place | None:
    """Give a response to whoever knows its id."""
    return next((own[id_] for own in self._by_key.values() if id_ in own), None)


def forget_nothing(self: Recollection) -> None:
    """Remember answers without an end."""


def write_it_into_the_account_of_answers(self: Health, name: str) -> Health:
    """Let side calls decide about answers."""
    return self


def look_into_arguments(
    self: stop_cut._Cutter, event: Event, honest: Callable[..., Event] = stop_cut._Cutter._out
) -> Event:
    """Take the arguments of a call for text in which an answer may have to stop."""
    if isinstance(event, Open):
        self._texts.add(event.index)
    return honest(self, event)


@attrs.frozen
class Plant:
    """A bug: what takes whose place; and the named tests that must fail with it."""

    owner: object
    name: str
    bug: Callable[..., Any]
    caught_by: tuple[Callable[..., Any], ...]
    arguments: dict[str, Any] = attrs.field(factory=dict)


PLANTS = {
    "an event is lost in conversion": Plant(
        converted_stream.UpstreamEvents,
        "_read",
        lose_an_event,
        (test_converted.test_a_stream_is_gathered_for_who_wants_one_piece,),
        {"client": "messages", "api": CHAT},
    ),
    "failover after content": Plant(
        ClientSender,
        "_release",
        hide_what_went_out,
        (test_stream_faults.test_after_a_part_has_gone_out_there_is_never_another_answer,),
    ),
    "a breaker never closes": Plant(
        Breaker,
        "succeeded",
        never_close,
        (test_health.test_one_probe_is_let_through_and_closes_it,),
    ),
    "a side call opens the breaker": Plant(
        Health,
        "beside",
        write_it_into_the_account_of_answers,
        (test_side_calls.test_a_side_call_opens_no_breaker_of_answers,),
        {"path": test_side_calls.EMBEDDINGS, "status": 500},
    ),
    "a 400 is tried everywhere": Plant(
        candidates,
        "rule_for",
        try_it_everywhere,
        (
            test_failover.test_what_is_wrong_with_the_request_ends_it_at_once,
            test_candidates.test_what_is_wrong_with_the_request_is_not_tried_elsewhere,
        ),
    ),
    "usage is dropped as it is read": Plant(
        Counts, "take", no_usage, (test_converted.test_what_it_took_is_converted,)
    ),
    "calls are glued": Plant(
        whole_calls,
        "_refuse_glued",
        let_it_pass,
        (test_tool_calls.test_two_objects_never_look_like_one_call,),
    ),
    "a call is taken for a repetition of the one before": Plant(
        tool_calls,
        "relation",
        say_it_again,
        (test_tool_calls.test_a_name_behind_whole_arguments_begins_another_call,),
    ),
    "a setting is dropped silently as it is written": Plant(
        messages_settings,
        "_written_thinking",
        let_it_pass,
        (
            test_display.test_a_summary_becomes_a_display,
            test_request_fields.test_a_setting_is_written_refused_or_dropped_as_the_table_says,
        ),
        {
            "reasoning": {"effort": "high", "summary": "auto"},
            "thinking": {"type": "adaptive", "display": "summarized"},
            "api": "responses",
            "target": "messages",
        },
    ),
    "a setting is dropped silently as it is read": Plant(
        Fields,
        "end",
        let_it_pass,
        (
            test_request_fields.test_a_field_that_nobody_knows_is_refused_by_its_name,
            test_request_fields.test_what_the_table_says_is_what_becomes_of_a_field,
        ),
        {"api": "messages"},
    ),
    "a seal is lost": Plant(
        message_writer,
        "put_back",
        let_it_pass,
        (test_seals.test_a_seal_that_comes_behind_the_calls_name_comes_back,),
        {"client": "messages"},
    ),
    "usage is dropped as it is written": Plant(
        messages_writer,
        "write_usage",
        write_no_usage,
        (test_converted.test_what_it_took_is_converted,),
    ),
    "an answer with a hole is taken for a whole one": Plant(
        CutOut,
        "add",
        forget_what_was_cut_out,
        (
            test_stream_faults.test_a_malformed_event_is_cut_out_and_what_may_miss_it_has_no_end,
            test_converted.test_a_malformed_event_is_cut_out_and_what_may_miss_it_has_no_end,
            test_corruption.test_no_single_byte_hides_an_event,
        ),
        {"client": "messages", "api": CHAT, "upstream": "chat"},
    ),
    "half an event goes out": Plant(
        sse.WholeEvents,
        "feed",
        let_halves_out,
        (test_hostile_answers.test_half_an_event_of_a_node_that_fails_never_goes_out,),
    ),
    "a stop is cut inside arguments": Plant(
        stop_cut._Cutter,
        "_out",
        look_into_arguments,
        (test_stop_cut.test_a_sequence_in_the_arguments_of_a_call_cuts_nothing,),
    ),
    "another member's response is served": Plant(
        Owners,
        "find",
        find_for_anybody,
        (
            test_stored.test_another_members_response_is_not_found,
            test_stored.test_another_members_conversation_is_not_gone_on_with,
        ),
        {"action": "get", "name": "a previous response"},
    ),
    "answers are remembered without a bound": Plant(
        Recollection,
        "_tidy",
        forget_nothing,
        (
            test_recollection.test_what_was_used_longest_ago_is_forgotten_where_there_is_too_much,
            test_recollection.test_what_was_not_used_for_an_hour_is_forgotten,
        ),
    ),
    "half an answer is taken for a whole one": Plant(
        endings,
        "_ending",
        take_any_end,
        (test_stream_faults.test_an_end_without_an_end_is_an_error,),
    ),
}


async def fails(check: Callable[..., Any], **given: Any) -> bool:
    """Say whether a test fails, with those of the arguments that it takes."""
    wanted = inspect.signature(check).parameters
    caught: list[BaseException] = []
    try:
        done = check(**{name: value for name, value in given.items() if name in wanted})
        if inspect.isawaitable(done):
            await done
    except* (AssertionError, pytest.fail.Exception) as group:
        caught.append(group)
    return bool(caught)


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
async def test_a_planted_bug_is_caught(
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
    node_factory: NodeFactory,
    upstreaming: Upstreaming,
) -> None:
    given = {"node_factory": node_factory, "upstreaming": upstreaming, **plant.arguments}
    for check in plant.caught_by:
        assert not await fails(check, **given)
        with monkeypatch.context() as planted:
            planted.setattr(plant.owner, plant.name, plant.bug)
            assert await fails(check, **given), check.__name__
