"""Each attack, the test that makes it on real nodes, and the reduced ones of `make test`.

A reduced test makes the same attack on one node, or few in one process: it looks at counters and
bounds, and not at time. They stand beside the other tests of what they attack.
"""

from __future__ import annotations

import attrs

__all__ = ["ATTACKS", "Attack"]

_MESH, _MODELS = "tests/plugins/mesh", "tests/plugins/model_proxy"
_MEMBER = f"{_MESH}/members/test_hostile_member.py"
_PINS = f"{_MODELS}/asking/test_pins.py"
_HERE = "tests/attacks/test_attacks"


@attrs.frozen
class Attack:
    """An attack and its tests, each as ``file::function``."""

    what: str
    whole: str
    reduced: tuple[str, ...]


ATTACKS = (
    Attack(
        "made-up records that list each other",
        f"{_HERE}_of_members.py::test_made_up_records_that_list_each_other",
        (
            f"{_MEMBER}::test_made_up_records_that_list_each_other_are_bounded_by_their_links",
            "tests/plugins/relay/test_reckoning.py::"
            "test_dense_records_are_reckoned_with_in_parts_and_links_are_ways_at_once",
        ),
    ),
    Attack(
        "requests without an end and without a token",
        f"{_HERE}_of_strangers.py::test_requests_without_an_end_and_without_a_token",
        (
            "tests/plugins/http/test_protocol.py::test_a_head_without_an_end_is_refused",
            "tests/plugins/http/test_protocol.py::test_a_request_with_many_headers_is_refused",
            "tests/plugins/http/test_protocol.py::test_what_is_no_body_is_bounded_beside_bodies",
            "tests/plugins/http/test_protocol.py::"
            "test_a_body_without_the_token_is_not_read_to_its_end",
        ),
    ),
    Attack(
        "a small answer that opens to endless lines",
        f"{_HERE}_on_models.py::test_a_small_answer_that_opens_to_endless_lines",
        (
            f"{_MODELS}/serving/test_hostile_upstreams.py::"
            "test_a_small_answer_that_opens_to_a_stream_without_events_is_ended",
            f"{_MODELS}/serving/test_hostile_upstreams.py::test_endless_newlines_end_with_an_error",
        ),
    ),
    Attack(
        "large requests in another API",
        f"{_HERE}_on_models.py::test_large_requests_in_another_api",
        (
            f"{_MODELS}/serving/test_large_conversions.py::"
            "test_a_request_with_more_values_than_the_bound_is_refused_before_it_is_decoded",
            f"{_MODELS}/serving/test_large_conversions.py::"
            "test_a_large_request_and_its_answer_are_converted_in_a_thread",
            f"{_MODELS}/test_growth.py::test_converting_a_request",
        ),
    ),
    Attack(
        "a flood of revocations",
        f"{_HERE}_of_members.py::test_a_member_that_floods_revocations",
        (f"{_MEMBER}::test_a_member_that_floods_revocations_is_put_out_all_the_same",),
    ),
    Attack(
        "messages that come with the request",
        f"{_HERE}_of_strangers.py::test_messages_that_come_with_the_request",
        (
            f"{_MESH}/links/test_hostile_handshake.py::"
            "test_messages_that_come_with_the_request_are_not_read_beyond_the_bound",
            f"{_MESH}/websocket/test_refused.py::"
            "test_messages_that_come_with_the_request_are_counted",
        ),
    ),
    Attack(
        "the id of a pin, offered by another member",
        f"{_HERE}_of_members.py::test_a_member_offers_the_id_of_a_pin",
        (
            f"{_PINS}::test_a_pin_shadowed_by_another_members_id_stays_with_its_node",
            f"{_PINS}::"
            "test_a_bare_id_goes_to_this_node_first_and_then_to_the_one_known_for_longest",
        ),
    ),
    Attack(
        "the same, with a revocation of the pin's node",
        f"{_HERE}_of_members.py::test_a_member_revokes_the_node_of_a_pin_and_offers_its_id",
        (
            f"{_PINS}::test_a_pin_is_not_taken_after_a_revocation_nor_when_it_is_undone",
            f"{_MESH}/members/test_revoking.py::"
            "test_a_revocation_by_a_node_that_is_not_named_waits_everywhere_else",
        ),
    ),
    Attack(
        "advertised addresses of others' services",
        f"{_HERE}_of_members.py::test_a_member_advertises_services_of_others",
        (
            f"{_MESH}/links/test_advertised.py::"
            "test_direct_dial_ssrf_reaches_no_service_of_this_machine",
        ),
    ),
    Attack(
        "malformed headers of an answer",
        f"{_HERE}_of_members.py::test_a_member_answers_with_headers_that_are_none",
        (
            f"{_MODELS}/asking/test_hostile_answers.py::"
            "test_a_header_that_a_node_made_up_is_left_out",
        ),
    ),
    Attack(
        "request bodies that never end",
        "tests/attacks/test_open_bodies.py::test_unfinished_bodies_of_one_member",
        (
            f"{_MODELS}/serving/test_server.py::"
            "test_requests_that_never_end_are_bounded_together_and_make_room",
            "tests/core/exchange/test_end.py::test_what_was_read_goes_with_an_exchange_that_fails",
        ),
    ),
    Attack(
        "garbage, and upgrades without a token",
        f"{_HERE}_of_strangers.py::test_garbage_and_upgrades_without_a_token",
        (
            "tests/plugins/http/test_refused.py::test_garbage_is_counted_and_logged_once",
            "tests/plugins/http/test_refused.py::"
            "test_upgrades_that_nobody_serves_are_no_lines_in_the_log",
            "tests/plugins/http/test_refused.py::test_each_reason_has_its_name",
        ),
    ),
)
