"""Tests of the values a configuration writes as text."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from clawmatrix_core.config.types import ByteSize, Duration, HostPort, Secret, Source, read_path

TEXT = "correct horse battery staple"


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (12, 12),
        ("12", 12),
        ("512 kB", 512_000),
        ("4 GiB", 4 * 2**30),
        ("1.5MiB", 3 * 2**19),
        ("2tb", 2 * 10**12),
        ("7 B", 7),
    ],
)
def test_a_size_is_a_number_or_text_with_a_unit(written: object, size: int) -> None:
    assert ByteSize.from_config(written, Source()) == size


@pytest.mark.parametrize("written", [True, -1, 1.5, "4 GiBs", "", "GiB", "-1", "1e9", None])
def test_a_size_is_nothing_else(written: object) -> None:
    with pytest.raises(TypeError):
        ByteSize.from_config(written, Source())


@pytest.mark.parametrize("text", ["0 B", "1000 B", "4 GiB", "1536 KiB", "5 TiB"])
def test_a_size_shows_itself_as_it_may_be_written(text: str) -> None:
    assert str(ByteSize.parse(text)) == text


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(0, 0), (5, 5), (2.5, 2.5), ("100ms", 0.1), ("30s", 30), ("5 m", 300), ("1h", 3600)],
)
def test_a_duration_is_seconds_or_text_with_a_unit(written: object, seconds: float) -> None:
    assert Duration.from_config(written, Source()) == pytest.approx(seconds)


@pytest.mark.parametrize("written", [True, "5", "5 weeks", "", "soon", None, []])
def test_a_duration_is_nothing_else(written: object) -> None:
    with pytest.raises(TypeError):
        Duration.from_config(written, Source())


@pytest.mark.parametrize(
    "written", [2**60 + 1, 10**400, "9" * 30, "9" * 31, "9" * 5000, "9" * 400 + ".0 GiB"]
)
def test_a_size_is_one_that_a_machine_may_have(written: object) -> None:
    with pytest.raises(ValueError, match=r"at most|more than"):
        ByteSize.from_config(written, Source())


@pytest.mark.parametrize(
    "written", [864_000_001, 10**300, "10001d", "9" * 400 + "s", "9" * 5000 + "s"]
)
def test_a_duration_is_one_that_timers_take(written: object) -> None:
    with pytest.raises(ValueError, match=r"at most 10000 days|zero or more"):
        Duration.from_config(written, Source())


@pytest.mark.parametrize("digits", ["\u0665", "\u00b2", "\uff15"])
def test_only_the_digits_of_ascii_are_numbers(digits: str) -> None:
    for read in (lambda: ByteSize.parse(digits), lambda: Duration.parse(f"{digits}s")):
        with pytest.raises(TypeError):
            read()
    with pytest.raises(TypeError):
        HostPort.parse(f"a:{digits}")


@pytest.mark.parametrize("written", [-1, -0.5, float("inf"), float("nan"), -(10**400)])
def test_a_duration_is_finite_and_not_negative(written: float) -> None:
    with pytest.raises(ValueError, match="zero or more"):
        Duration.from_config(written, Source())


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:19100", "127.0.0.1", 19100),
        ("office.example:0", "office.example", 0),
        ("[::1]:80", "::1", 80),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, host: str, port: int) -> None:
    address = HostPort.from_config(text, Source())
    assert (address.host, address.port) == (host, port)
    assert str(address) == text
    assert HostPort.from_config(address, Source()) is address


@pytest.mark.parametrize("written", ["office", "office:", "office:http", "a b:1", "http://a:1", 80])
def test_an_address_needs_both_parts(written: object) -> None:
    with pytest.raises(TypeError):
        HostPort.from_config(written, Source())


@pytest.mark.parametrize(
    ("text", "message"), [("::1:80", "brackets"), (":80", r"\[::\]:80"), ("a:65536", "65535")]
)
def test_a_nearly_right_address_gets_advice(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HostPort.parse(text)


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret(TEXT)
    assert TEXT not in f"{secret} {secret!r} {[secret]}"
    assert secret.reveal() == TEXT
    assert len(secret) == len(TEXT)
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_secrets_are_equal_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_a_secret_is_read_from_the_environment() -> None:
    source = Source(environ={"KEY": f"{TEXT}\n", "EMPTY": ""})
    assert Secret.from_config("env:KEY", source) == Secret(TEXT)
    assert source.secrets == [Secret(TEXT)]
    with pytest.raises(ValueError, match="OTHER is not set"):
        Secret.from_config("env:OTHER", source)
    with pytest.raises(ValueError, match="is empty"):
        Secret.from_config("env:EMPTY", source)


def test_a_secret_is_read_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{TEXT}\n")
    file.chmod(0o600)
    assert Secret.from_config("file:key", Source(base=tmp_path)) == Secret(TEXT)
    assert Secret.from_config(f"file:{file}", Source(base=Path("/"))) == Secret(TEXT)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    file.write_text(TEXT)
    file.chmod(mode)
    with pytest.raises(ValueError, match=rf"others can read .*key \(mode 0{mode:o}\)"):
        Secret.from_config("file:key", Source(base=tmp_path))


def test_a_secret_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    source = Source(base=tmp_path)
    for name, data in (("binary", b"\xff\xfe"), ("large", b"x" * 70_000), ("empty", b"\n")):
        (tmp_path / name).write_bytes(data)
        (tmp_path / name).chmod(0o600)
    for name, message in (
        ("binary", "UTF-8"),
        ("large", "bytes"),
        ("empty", "is empty"),
        ("gone", "No such file"),
    ):
        with pytest.raises(ValueError, match=message):
            Secret.from_config(f"file:{name}", source)


@pytest.mark.parametrize("mode", [0o644, 0o640])
def test_a_secret_is_not_written_out_where_others_can_read(mode: int) -> None:
    source = Source(mode=mode)
    with pytest.raises(ValueError, match="others can read") as caught:
        Secret.from_config(TEXT, source)
    assert TEXT not in str(caught.value)
    assert source.secrets == [Secret(TEXT)]


def test_a_secret_is_written_out_in_a_private_file_or_in_code() -> None:
    for source in (Source(mode=0o600), Source()):
        assert Secret.from_config(TEXT, source) == Secret(TEXT)
    assert Secret.from_config(Secret(TEXT), Source(mode=0o644)) == Secret(TEXT)


def test_a_secret_is_text() -> None:
    with pytest.raises(TypeError):
        Secret.from_config(5, Source())


def test_a_path_starts_from_the_configuration_or_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    source = Source(base=tmp_path)
    assert read_path("notes", source) == tmp_path / "notes"
    assert read_path("~/notes", source) == Path("/home/someone/notes")
    assert read_path(Path("/srv"), source) == Path("/srv")


@pytest.mark.parametrize("written", ["", "a\0b", "~no-such-user-here/x"])
def test_a_path_that_cannot_be_is_refused(written: str) -> None:
    with pytest.raises(ValueError):
        read_path(written, Source())


def test_a_path_is_text() -> None:
    with pytest.raises(TypeError):
        read_path(5, Source())


def test_a_secret_that_is_not_utf8_is_refused_and_not_shown() -> None:
    source = Source(environ={"KEY": "open\udcff"})
    for value in ("env:KEY", "open\udcff"):
        with pytest.raises(ValueError, match=r"^is not UTF-8 text$"):
            Secret.from_config(value, source)
