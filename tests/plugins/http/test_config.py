"""The ``[http]`` table."""

from __future__ import annotations

from typing import Any

import pytest

from clawmatrix_core.base.errors import ConfigError
from clawmatrix_core.config.config import Config, ConfigSection, HostPort
from clawmatrix_http.config import HttpConfig


def read(**table: Any) -> HttpConfig:
    """Return the table as the plugin gets it."""
    config = Config.from_mapping({"node_id": "here", "secret": "s" * 40, "http": table})
    config.bind([ConfigSection("http", HttpConfig)])
    return config.section(HttpConfig)


def test_the_defaults_serve_this_machine_alone() -> None:
    config = read()
    assert config.listen == HostPort("127.0.0.1", 19100)
    assert config.token is None
    assert config.max_body == 32 * 1024 * 1024
    assert float(config.drain) == 5.0


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"token": "short"}, "http.token"),
        ({"token": "sixteen characters with spaces"}, "http.token"),
        ({"token": "sixteen-characters-\u00e9"}, "http.token"),
        ({"allowed_hosts": ["http://office"]}, "http.allowed_hosts"),
        ({"allowed_hosts": ["office:80"]}, "http.allowed_hosts"),
        ({"allowed_origins": ["app.example"]}, "http.allowed_origins"),
        ({"allowed_origins": ["https://app.example/"]}, "http.allowed_origins"),
        ({"drain": "9s"}, "http.drain"),
        ({"lisen": "127.0.0.1:0"}, "http.lisen"),
    ],
)
def test_mistakes_are_named_by_path(table: dict[str, Any], path: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**table)
    [problem] = caught.value.problems
    assert problem.startswith(f"{path}: ")


def test_a_token_with_a_mistake_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        read(token="sixteen characters with spaces")
    assert "sixteen" not in str(caught.value)
