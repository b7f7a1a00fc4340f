"""Tests of the reference that is read off the classes."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read from the annotations
from enum import Enum
from pathlib import Path  # noqa: TC003 - read from the annotations
from typing import Literal

import attrs

from clawmatrix_core.config.config import ByteSize, Duration, HostPort, Secret
from clawmatrix_core.config.core import CoreConfig
from clawmatrix_core.config.docs import FieldDoc, describe
from clawmatrix_core.config.schema import option


class Mode(Enum):
    SEND = "send"
    BOTH = "both"


@attrs.frozen
class Model:
    id: str = option(doc="Its name.")
    api: Literal["a", "b"] = option(default="a", doc="What it speaks.")


@attrs.frozen
class Grant:
    tools: tuple[str, ...] = option(default=("read",), doc="Which tools.")


@attrs.frozen
class Grants:
    strict: bool = option(default=True, doc="How.")
    nodes: Mapping[str, Grant] = option(factory=dict, rest=True, doc="To whom.", name="NODE")


@attrs.frozen
class Table:
    listen: HostPort = option(default=HostPort("127.0.0.1", 0), doc="Where.")
    size: ByteSize = option(default=ByteSize.parse("4 GiB"), doc="How large.")
    odd: ByteSize = option(default=ByteSize(1001), doc="How odd.")
    wait: Duration = option(default=Duration(30), doc="How long.")
    key: Secret | None = option(default=None, doc="Which key.")
    root: Path | None = option(default=None, doc="Which folder.", shown="the home folder")
    mode: Mode = option(default=Mode.BOTH, doc="Which way.")
    models: list[Model] = option(factory=list, doc="Which models.")
    spaces: Mapping[str, Grant] = option(factory=dict, doc="Which workspaces.", name="SPACE")
    extra: dict[str, object] = option(default={"a": 1}, doc="More.")
    inner: Grant | None = option(default=Grant(), doc="One more.")
    plain: object = attrs.field(default=attrs.Factory(lambda self: 1, takes_self=True))
    again: list[Table] = option(factory=list, doc="Nested.")


def test_a_table_is_described_option_by_option() -> None:
    lines = [(doc.path, doc.type, doc.default, doc.doc) for doc in describe(Table, "t.")]
    assert lines == [
        ("t.listen", HostPort.config_words, '"127.0.0.1:0"', "Where."),
        ("t.size", ByteSize.config_words, '"4 GiB"', "How large."),
        ("t.odd", ByteSize.config_words, "1001", "How odd."),
        ("t.wait", Duration.config_words, "30.0", "How long."),
        ("t.key", Secret.config_words, "not set", "Which key."),
        ("t.root", "a path", "the home folder", "Which folder."),
        ("t.mode", 'one of "send", "both"', '"both"', "Which way."),
        ("t.models", "a list of tables", "[]", "Which models."),
        ("t.models[].id", "text", None, "Its name."),
        ("t.models[].api", 'one of "a", "b"', '"a"', "What it speaks."),
        ("t.spaces", "a table", "{}", "Which workspaces."),
        ("t.spaces.SPACE.tools", "a list, each text", '["read"]', "Which tools."),
        ("t.extra", "a table", '{"a": 1}', "More."),
        ("t.inner", "a table", "its own defaults", "One more."),
        ("t.inner.tools", "a list, each text", '["read"]', "Which tools."),
        ("t.plain", "any value", '""', ""),
        ("t.again", "a list of tables", "[]", "Nested."),
    ]


def test_a_table_whose_keys_are_names_is_described_by_a_placeholder() -> None:
    assert describe(Grants, "grants.") == [
        FieldDoc("grants.strict", "true or false", "true", "How."),
        FieldDoc("grants.NODE.tools", "a list, each text", '["read"]', "Which tools."),
    ]
    assert describe(Grants)[1].path == "NODE.tools"


def test_an_option_without_a_default_is_required() -> None:
    required = [doc.path for doc in describe(CoreConfig) if doc.required]
    assert required == ["node_id", "secret"]


def test_every_option_of_the_core_is_explained() -> None:
    assert all(doc.doc for doc in describe(CoreConfig))


@attrs.frozen
class Reloading:
    models: tuple[Model, ...] = option(default=(), doc="The models.", reload=True)
    one: Model | None = option(default=None, doc="Another one.")


def test_what_needs_no_restart_is_marked_with_all_that_is_in_it() -> None:
    assert {field.path: field.reload for field in describe(Reloading)} == {
        "models": True,
        "models[].id": True,
        "models[].api": True,
        "one": False,
        "one.id": False,
        "one.api": False,
    }
