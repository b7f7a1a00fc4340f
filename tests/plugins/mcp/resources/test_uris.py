"""How resources are named: one spelling for grants, and a way back from the mesh."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from clawmatrix_core import is_node_id
from clawmatrix_mcp.resources.uris import (
    LENGTH,
    MeshUri,
    canonical,
    has_good_name,
    is_wandering,
    prompt_target,
    resource_target,
    sendable,
    template_target,
)

nodes = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True).filter(is_node_id)
servers = st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True)
ODD = [
    "%2e",
    "%2E",
    "..",
    "/",
    "%2f",
    "%",
    "%25",
    "é",
    "%C3%A9",
    "%ff",
    " ",
    "a",
    "B",
    "?",
    "#",
    ":",
]
texts = st.one_of(st.text(min_size=1), st.lists(st.sampled_from(ODD), min_size=1).map("".join))


@given(nodes, servers, texts)
def test_what_a_node_offers_is_read_at_that_node_and_server(
    node: str, server: str, uri: str
) -> None:
    made = MeshUri(node, server, uri)
    assert MeshUri.read(str(made)) == made


@given(st.text(alphabet="mesh:/.a-_%", max_size=30))
def test_each_uri_of_the_mesh_is_of_one_node_and_server(text: str) -> None:
    try:
        found = MeshUri.read(text)
    except ValueError:
        return
    assert str(found) == text
    assert is_node_id(found.node)
    assert has_good_name(found.server)


@given(st.text(min_size=1, max_size=5), st.text(alphabet="{}+?*,:/ab%é ", max_size=20))
def test_a_template_becomes_the_same_uris_before_and_after(value: str, template: str) -> None:
    def expanded(text: str) -> str:
        return re.sub(r"\{[^}]*\}", lambda _: quote(value, safe=""), text)

    assume("\ud800" not in value)
    assert expanded(sendable(template)) == sendable(expanded(template))


@given(texts)
def test_there_is_one_spelling(text: str) -> None:
    uri = f"notes://{text}"
    spelt = canonical(uri)
    assert canonical(spelt) == spelt
    assert canonical(sendable(uri)) == spelt
    assert canonical(sendable(spelt)) == spelt


@given(texts, st.data())
def test_encoding_more_changes_nothing(text: str, data: st.DataObject) -> None:
    assume(not re.search("[%:/?#\\[\\]@!$&'()*+,;=\ud800-\udfff]", text))
    encoded = [f"%{byte:02x}" for byte in text.encode()]
    wild = "".join(
        "".join(f"%{byte:02X}" for byte in char.encode()) if data.draw(st.booleans()) else char
        for char in text
    )
    assert canonical(f"n:{wild}") == canonical(f"n:{''.join(encoded)}") == canonical(f"n:{text}")


@given(texts)
def test_a_target_names_no_other_place(text: str) -> None:
    target = resource_target("notes", f"notes://{text}")
    if target is None:
        return
    decoded = target
    for _ in range(6):
        decoded = unquote_to_bytes(decoded).decode(errors="replace")
        assert not {".", ".."} & set(re.split(r"[/\\?#&;]", decoded))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("FILE:///a", "file:///a"),
        ("file:///%61", "file:///a"),
        ("file:///my notes", "file:///my%20notes"),
        ("file:///ä", "file:///%c3%a4"),
        ("HTTPS://Example.COM/A", "https://example.com/A"),
    ],
)
def test_spellings_of_one_uri(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("file:///a%2Fb", "file:///a/b"),
        ("notes://A/b", "notes://a/b"),
        ("file:///A", "file:///a"),
        ("file:///a?b", "file:///a%3Fb"),
        ("a:%", "a:%2525"),
    ],
)
def test_what_is_not_the_same(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_targets() -> None:
    assert resource_target("notes", "file:///a/b") == "notes/file:///a/b"
    assert resource_target("notes", "prompts/greet") is None
    assert resource_target("notes", "") is None
    assert resource_target("notes", "a:" + "x" * LENGTH) is None
    assert template_target("notes", "file:///{path}") == "notes/file:///{path}"
    assert template_target("notes", "{path}") is None
    assert prompt_target("notes", "greet") == "notes/prompts/greet"
    assert prompt_target("notes", "a/b") == "notes/prompts/a%2Fb"
    assert prompt_target("notes", "") is None
    assert prompt_target("notes", "\ud800") is None


def test_dots_within_a_name_lead_nowhere() -> None:
    assert not is_wandering("file:///.hidden/a..b/v1.2/...")
    assert is_wandering("file:///a/" + quote(quote(quote(quote(quote("%2e%2e"))))))
