"""Tests of the configuration as a whole."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - read from the annotations
from pathlib import Path  # noqa: TC003 - read from the annotations
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.paths import default_state_dir
from clawmatrix_core.config.config import Beside, Config, ConfigSection, HostPort, Secret, option

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")

SECRET = "s3cr3t-" * 6
CORE = {"node_id": "office", "secret": SECRET}


@attrs.frozen
class Mesh:
    listen: HostPort | None = option(default=None, doc="Where.")
    peers: tuple[str, ...] = option(default=(), doc="Whom.")


@attrs.frozen
class Model:
    id: str = option(doc="Its name.")
    key: Secret | None = option(default=None, doc="Its key.")


@attrs.frozen
class Proxy:
    models: tuple[Model, ...] = option(default=(), doc="What is served.")


@attrs.frozen
class ToolGrant:
    tools: tuple[str, ...] = option(default=(), doc="Which tools.")


@attrs.frozen
class ToolGrants:
    nodes: Mapping[str, ToolGrant] = option(factory=dict, rest=True, doc="To whom.")


@attrs.frozen
class AgentGrant:
    agents: tuple[str, ...] = option(default=(), doc="Which agents.")


@attrs.frozen
class AgentGrants:
    nodes: Mapping[str, AgentGrant] = option(factory=dict, rest=True, doc="To whom.")


@attrs.frozen
class Other:
    word: str = option(default="", doc="A word.")


@attrs.frozen
class Needy:
    path: Path = option(doc="Where.")


MESH = ConfigSection(table="mesh", type=Mesh)
PROXY = ConfigSection(table="model-proxy", type=Proxy)
GRANTS = (
    ConfigSection(table="grants", type=ToolGrants),
    ConfigSection(table="grants", type=AgentGrants),
)


def write(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "clawmatrix.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def problems(config: Config, *sections: ConfigSection, known: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        config.bind(sections, known=known)
    return list(caught.value.problems)


def test_a_file_becomes_a_configuration(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"""
        node_id = "office"
        secret = "{SECRET}"
        plugins = ["mesh", "model-proxy"]
        disable = ["relay"]
        tags = ["gpu"]
        state_dir = "state"
        log = "info,mesh:debug"

        [mesh]
        listen = "127.0.0.1:0"

        [[model-proxy.models]]
        id = "qwen3"
        """,
    )
    config = Config.load(path)
    config.bind([MESH, PROXY])
    assert config.node_id == "office"
    assert config.secret.reveal() == SECRET
    assert config.plugins == ("mesh", "model-proxy")
    assert config.disable == ("relay",)
    assert config.tags == ("gpu",)
    assert config.state_dir == tmp_path / "state"
    assert config.log == "info,mesh:debug"
    assert config.path == path
    assert config.section(Mesh) == Mesh(listen=HostPort("127.0.0.1", 0))
    assert config.section(Proxy).models == (Model(id="qwen3"),)


def test_a_file_may_be_named_by_text(tmp_path: Path) -> None:
    path = write(tmp_path, f'node_id = "office"\nsecret = "{SECRET}"')
    assert Config.load(str(path)).path == path


def test_what_is_left_out_has_its_default() -> None:
    config = Config.from_mapping(CORE)
    config.bind([MESH])
    assert (config.plugins, config.disable, config.tags, config.log) == (None, (), (), None)
    assert config.state_dir == default_state_dir("office")
    assert config.section(Mesh) == Mesh()
    assert config.path is None


def test_relative_paths_in_code_start_from_the_base(tmp_path: Path) -> None:
    config = Config.from_mapping({**CORE, "state_dir": "state"}, base=tmp_path)
    assert config.state_dir == tmp_path / "state"


def test_a_section_nobody_declared_is_a_mistake_of_the_program() -> None:
    config = Config.from_mapping(CORE)
    config.bind([MESH])
    with pytest.raises(LookupError, match="Proxy"):
        config.section(Proxy)


def test_mistakes_of_the_core_and_of_plugins_come_together() -> None:
    config = Config.from_mapping(
        {
            "node_id": "two words",
            "tags": "gpu",
            "log": "loud",
            "nodeid": "x",
            "mesh": {"lisen": "x", "peers": [1]},
            "model-proxi": {},
            "knowledge": {"anything": 1},
        }
    )
    assert problems(config, MESH, PROXY, known=("knowledge",)) == [
        "node_id: must be 1 to 64 letters, digits, dots, dashes or underscores",
        "secret: is missing",
        'tags: expected a list, each text, got "gpu"',
        'log: "loud" is not one of debug, info, warning, error, off',
        "mesh.peers[0]: expected text, got 1",
        'mesh.lisen: unknown key (did you mean "listen"?)',
        'nodeid: unknown key (did you mean "node_id"?)',
        'model-proxi: unknown key (did you mean "model-proxy"?)',
    ]


def test_a_core_with_mistakes_still_says_which_plugins_to_ask() -> None:
    config = Config.from_mapping({"node_id": 5, "plugins": ["mesh"], "disable": "all"})
    assert config.plugins == ("mesh",)
    assert config.disable == ()
    for name in ("node_id", "secret", "tags", "log", "state_dir"):
        with pytest.raises(ConfigError) as caught:
            getattr(config, name)
        assert len(caught.value.problems) == 3


def test_a_table_of_a_plugin_that_is_not_there_is_a_mistake_only_if_the_plugin_is_unknown() -> None:
    config = Config.from_mapping({**CORE, "other": {"a": 1}})
    assert problems(config) == ["other: unknown key"]
    config.bind([], known=["other"])


def test_a_section_that_needs_a_key_needs_its_table() -> None:
    config = Config.from_mapping(CORE)
    assert problems(config, ConfigSection(table="needy", type=Needy)) == ["needy.path: is missing"]


def test_a_table_has_to_be_one() -> None:
    config = Config.from_mapping({**CORE, "mesh": 3})
    assert problems(config, MESH) == ["mesh: expected a table, got 3"]


def test_two_plugins_can_share_a_table() -> None:
    config = Config.from_mapping(
        {**CORE, "grants": {"home": {"tools": ["read"], "agents": ["main"]}, "lab": {}}}
    )
    config.bind(GRANTS)
    assert config.section(ToolGrants).nodes == {
        "home": ToolGrant(tools=("read",)),
        "lab": ToolGrant(),
    }
    assert config.section(AgentGrants).nodes["home"] == AgentGrant(agents=("main",))


def test_a_key_that_none_of_the_sharing_plugins_knows_is_unknown() -> None:
    config = Config.from_mapping(
        {**CORE, "grants": {"home": {"agent": ["x"], "tools": ["a"], "agents": 5}}}
    )
    assert problems(config, *GRANTS) == [
        "grants.home.agents: expected a list, each text, got 5",
        'grants.home.agent: unknown key (did you mean "agents"?)',
    ]


@pytest.mark.parametrize("node_id", ["", ".", "..", "a/b", "a" * 65, "é", "a\n"])
def test_a_node_id_that_could_be_misread_is_refused(node_id: str) -> None:
    (line,) = problems(Config.from_mapping({**CORE, "node_id": node_id}))
    assert line.startswith("node_id: must be 1 to 64")


def test_a_short_secret_is_refused_and_not_repeated() -> None:
    (line,) = problems(Config.from_mapping({**CORE, "secret": "hunter2"}))
    assert line.startswith("secret: must have at least 32 characters, it has 7")
    assert "hunter2" not in line


def test_a_secret_in_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, f'node_id = "office"\nsecret = "{SECRET}"', 0o644)
    (line,) = problems(Config.load(path))
    assert line.startswith("secret: is written out in a file that others can read (mode 0644)")


def test_a_file_that_any_user_can_change_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, 'node_id = "office"\nsecret = "env:SECRET"', 0o646)
    with pytest.raises(ConfigError, match=r"others can change it \(mode 0646\): chmod o-w"):
        Config.load(path)


def test_a_secret_in_the_environment_lets_the_file_be_public(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLAWMATRIX_TEST_SECRET", SECRET)
    path = write(tmp_path, 'node_id = "office"\nsecret = "env:CLAWMATRIX_TEST_SECRET"', 0o644)
    assert Config.load(path).secret == Secret(SECRET)


def test_a_secret_that_went_to_the_wrong_place_too_is_left_out_of_messages() -> None:
    config = Config.from_mapping({**CORE, "tags": [SECRET], "log": SECRET, "mesh": {SECRET: 1}})
    lines = problems(config, MESH)
    assert len(lines) == 2
    assert SECRET not in "\n".join(lines)
    assert "***" in lines[0]


def test_all_secrets_are_there_for_the_log_to_leave_out() -> None:
    config = Config.from_mapping({**CORE, "model-proxy": {"models": [{"id": "a", "key": "sk-1"}]}})
    config.bind([PROXY])
    assert set(config.secrets) == {Secret(SECRET), Secret("sk-1")}
    assert SECRET not in repr(config)


def test_a_secret_of_two_letters_does_not_garble_messages() -> None:
    config = Config.from_mapping({**CORE, "model-proxy": {"models": [{"id": 1, "key": "ex"}]}})
    assert problems(config, PROXY) == ["model-proxy.models[0].id: expected text, got 1"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a = \n", "line 1, column 5: Invalid value"),
        (b"[mesh\n", "line 1, column 6: "),
        (b"a = 1\na = 2\n", "Cannot overwrite a value"),
        (b"a = '\xff'", "is not UTF-8 text"),
        (b"a = " + b"[" * 5000, "is nested too deep"),
        (b"a = " + b"9" * 5000, "digits"),
    ],
)
def test_a_file_that_is_not_toml_is_named_with_the_place(
    tmp_path: Path, data: bytes, message: str
) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        Config.load(path)
    assert len(caught.value.problems) == 1
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        Config.load(tmp_path)


def test_a_section_says_early_that_it_cannot_be_read() -> None:
    with pytest.raises(TypeError, match="is not an attrs class"):
        ConfigSection(table="x", type=int)
    with pytest.raises(TypeError, match="is a key of the core"):
        ConfigSection(table="tags", type=Mesh)


def test_secrets_from_before_are_as_long_and_few() -> None:
    config = Config.from_mapping({**CORE, "previous_secrets": ["p" * 32, "q" * 40]})
    assert [secret.reveal() for secret in config.previous_secrets] == ["p" * 32, "q" * 40]
    assert Secret("q" * 40) in config.secrets
    assert Config.from_mapping(CORE).previous_secrets == ()
    for wrong, message in (
        (["p" * 31], "at least 32 characters, it has 31"),
        ([f"{n}" * 32 for n in range(5)], "must be at most 4"),
        ("p" * 40, "expected a list"),
    ):
        with pytest.raises(ConfigError, match=message) as caught:
            _ = Config.from_mapping({**CORE, "previous_secrets": wrong}).secret
        assert "previous_secrets" in str(caught.value)
        assert "pppp" not in str(caught.value)


def test_text_of_a_host_that_is_not_utf8_is_named_by_its_key() -> None:
    config = Config.from_mapping({"node_id": "a", "secret": "s" * 40, "tags": ["é", "a\udcff"]})
    with pytest.raises(ConfigError) as caught:
        _ = config.tags
    assert caught.value.problems == ("tags[1]: is not UTF-8 text",)


@pytest.mark.parametrize(
    ("field", "asked"), [("check", "mistakes_beside"), ("warn", "warnings_beside")]
)
def test_a_table_is_looked_at_beside_others_and_what_plugins_register(
    field: str, asked: str
) -> None:
    def look(table: Mesh, beside: Beside) -> Iterator[tuple[tuple[str | int, ...], str]]:
        assert table.peers == ("x",)
        word = beside.config.section(Other).word
        yield ("peers", 0), f"{word} {beside(list, str)} {beside.registered(list, int)}"

    def registered(spec: object, kind: type[T], /) -> list[T]:
        return [kind()]

    looks: dict[str, Any] = {field: look}
    config = Config.from_mapping({**CORE, "mesh": {"peers": ["x"]}, "other": {"word": "seen"}})
    config.bind([ConfigSection("mesh", Mesh, **looks), ConfigSection("other", Other)])
    for method in ("mistakes_beside", "warnings_beside"):
        found = getattr(config, method)(registered)
        assert found == (["mesh.peers[0]: seen [''] [0]"] if method == asked else [])
