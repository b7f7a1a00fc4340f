"""The client of the control socket, against servers that behave and servers that don't."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.base.paths import default_state_dir
from clawmatrix_core.cli.control_client import (
    ControlError,
    NotRunning,
    call,
    locate,
    stream,
)
from clawmatrix_core.control.address import NOTE, control_socket_path
from tests.core.cli.listening import listening


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    path = tmp_path / "a.toml"
    path.write_text('node_id = "office"\nsecret = "env:NOT_SET"\nstate_dir = "state"\n')
    return path


Answer = Callable[[socket.socket, bytes], None]


@contextmanager
def serving(path: Path, answer: Answer) -> Iterator[list[bytes]]:
    """Serve one connection on the path: read a line, hand it to ``answer``, close."""
    requests: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            line = connection.makefile("rb").readline()
            requests.append(line)
            answer(connection, line)

    with listening(path) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield requests
        thread.join(10)
        assert not thread.is_alive()


def says(*lines: object) -> Answer:
    """Return an answer of these lines: bytes as they are, else as JSON."""

    def answer(connection: socket.socket, _: bytes) -> None:
        for line in lines:
            connection.sendall(
                line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
            )

    return answer


def socket_of(config: Path) -> Path:
    return control_socket_path(config.parent / "state")


def test_a_call_returns_the_result(config: Path) -> None:
    with serving(socket_of(config), says({"result": {"a": [1, None]}})) as requests:
        assert call(config, "status", {"probe": False}) == {"a": [1, None]}
    assert json.loads(requests[0]) == {"method": "status", "params": {"probe": False}}
    assert requests[0].endswith(b"\n")


def test_a_result_may_be_large(config: Path) -> None:
    big = "x" * 5_000_000
    with serving(socket_of(config), says({"result": big})):
        assert call(config, "status") == big


def test_a_stream_yields_items_until_its_end(config: Path) -> None:
    with serving(socket_of(config), says({"item": 1}, {"item": None}, {"end": True})):
        assert list(stream(config, "ping")) == [1, None]


def test_an_error_is_raised_with_its_code_and_detail(config: Path) -> None:
    error = {"error": {"code": "unknown_node", "message": "no", "detail": {"x": 1}}}
    with serving(socket_of(config), says({"item": 1}, error)):
        items = stream(config, "ping")
        assert next(items) == 1
        with pytest.raises(ControlError, match=r"^no$") as caught:
            next(items)
    assert (caught.value.code, caught.value.detail) == ("unknown_node", {"x": 1})


def test_closing_a_stream_closes_the_connection(config: Path) -> None:
    rest: list[bytes] = []

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b'{"item": 1}\n')
        rest.append(connection.recv(1))

    with serving(socket_of(config), answer):
        items = stream(config, "ping")
        assert next(items) == 1
        items.close()  # type: ignore[attr-defined]
    assert rest == [b""]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "closed"),
        ([b'{"result": 1}'], "closed"),
        ([b"nonsense\n"], "protocol"),
        ([[1]], "protocol"),
        ([{"error": "no"}], "protocol"),
        ([{"item": 1}], "protocol"),
    ],
)
def test_an_answer_that_is_none_is_an_error(config: Path, lines: list[object], code: str) -> None:
    with (
        serving(socket_of(config), says(*lines)),
        pytest.raises(ControlError) as caught,
    ):
        call(config, "status")
    assert caught.value.code == code


def test_a_stream_that_breaks_off_is_an_error(config: Path) -> None:
    with (
        serving(socket_of(config), says({"item": 1})),
        pytest.raises(ControlError, match="before it was done"),
    ):
        list(stream(config, "ping"))


def test_a_call_is_not_a_stream(config: Path) -> None:
    with (
        serving(socket_of(config), says({"result": 1})),
        pytest.raises(ControlError, match="ping is not a stream"),
    ):
        list(stream(config, "ping"))


def test_a_node_that_says_nothing_is_waited_for_only_so_long(config: Path) -> None:
    def wait_for_the_end(connection: socket.socket, _: bytes) -> None:
        connection.recv(1)

    with (
        serving(socket_of(config), wait_for_the_end),
        pytest.raises(ControlError, match="in time") as caught,
    ):
        call(config, "status", timeout=0.05)
    assert caught.value.code == "timeout"


def test_a_request_that_is_too_long_is_not_sent(config: Path) -> None:
    with (
        serving(socket_of(config), lambda *_: None),
        pytest.raises(ControlError, match="too long"),
    ):
        call(config, "x", {"x": "x" * 1_100_000})


def test_a_node_that_is_not_running_is_said_to_be_so(config: Path) -> None:
    expected = r"^node office is not running \(start it with `clawmatrix run`\)$"
    with pytest.raises(NotRunning, match=expected):
        call(config, "status")


def test_a_socket_that_a_dead_node_left_is_no_node(config: Path) -> None:
    with listening(socket_of(config)) as dead:
        dead.close()
        with pytest.raises(NotRunning):
            call(config, "status")


@pytest.mark.parametrize("line", ['plugins = ["mesh"]', 'disable = ["control"]'])
def test_a_configuration_without_the_control_plugin_is_told_apart(config: Path, line: str) -> None:
    config.write_text(f'node_id = "office"\n{line}\n')
    with pytest.raises(NotRunning, match="or runs without the control plugin"):
        call(config, "status")


def test_the_place_the_node_noted_is_tried_first(config: Path) -> None:
    noted = config.parent / "elsewhere.sock"
    (config.parent / "state").mkdir()
    (config.parent / "state" / NOTE).write_text(f"{noted}\n")
    with serving(noted, says({"result": 1})):
        assert call(config, "status") == 1
    with serving(socket_of(config), says({"result": 2})):
        assert call(config, "status") == 2


@contextmanager
def without_rights_of_root() -> Iterator[None]:
    """Be a user who may not read everything; only root has to change for that."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_the_node_of_another_user_is_denied() -> None:
    with TemporaryDirectory() as folder:  # others may not look into pytest's own
        place = Path(folder)
        place.chmod(0o755)
        config = place / "a.toml"
        config.write_text('node_id = "office"\nsecret = "env:NOT_SET"\nstate_dir = "state"\n')
        state = place / "state"
        state.mkdir(mode=0)
        try:
            with without_rights_of_root(), pytest.raises(ControlError, match="belongs to another"):
                call(config, "status")
        finally:
            state.chmod(0o700)


def test_a_node_is_located_without_its_secret(config: Path) -> None:
    place = locate(config)
    assert (place.node_id, place.state_dir) == ("office", config.parent / "state")
    config.write_text('node_id = "lab"')
    assert locate(config).state_dir == default_state_dir("lab")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("node_id = ", "Invalid value"),
        ("", "node_id: is missing"),
        ('node_id = "a"\nstate_dir = 3', "state_dir: expected a path"),
    ],
)
def test_a_configuration_that_names_no_node_is_an_error(
    config: Path, text: str, message: str
) -> None:
    config.write_text(text)
    with pytest.raises(ConfigError, match=message):
        locate(config)


def test_a_configuration_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        locate(tmp_path / "none.toml")
