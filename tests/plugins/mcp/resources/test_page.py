"""What the page says of resources: its configuration is one, and decides as it says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clawmatrix_core.testing.told import ToldConfig
from clawmatrix_grants.config import GrantsConfig
from clawmatrix_grants.plugin import GrantsPlugin
from clawmatrix_grants.policy import Policy
from clawmatrix_grants.question import Question
from clawmatrix_mcp.config import McpConfig
from clawmatrix_mcp.plugin import McpPlugin
from clawmatrix_mcp.resources.servers import Exposed
from clawmatrix_mcp.resources.uris import MeshUri, prompt_target, resource_target

if TYPE_CHECKING:
    from clawmatrix_core import Config

KEY = "ed25519:I2QxT5AJWnUKA2JQtLA6kclhUyv7wnhyYUqwv2kmmMg="
FOLDER = "file:///srv/notes"


class Known:
    """Knows the key of the page."""

    def how_known(self, *_: object) -> str:
        return "accepted"

    def retired(self, *_: object) -> bool:
        return False

    def followed(self, *_: object) -> bool:
        return False


@pytest.fixture
def page() -> str:
    return (Path(__file__).parents[4] / "docs" / "mcp.md").read_text()


@pytest.fixture
def config(page: str) -> Config:
    [shown] = re.findall(r"<!-- start resources.toml -->\n```toml\n(.*?)```", page, re.DOTALL)
    config = ToldConfig.from_mapping(tomllib.loads(shown))
    config.bind([*GrantsPlugin().register_config(), *McpPlugin().register_config()])
    return config


def decided(config: Config, target: str | None) -> str | None:
    policy = Policy(config.section(GrantsConfig), Known(), wall=lambda: 0.0)  # type: ignore[arg-type]
    assert target is not None
    patterns = [pattern.glob for pattern in config.section(McpConfig).resources]
    assert Exposed(lambda: None, lambda: patterns).has(target)
    return policy.decide(Question("home", KEY, "resource", target, {})).effect


@pytest.mark.parametrize(
    ("uri", "effect"),
    [
        (f"{FOLDER}/a.txt", "allow"),
        (f"{FOLDER}/letters/to/ada.txt", "ask"),
        (f"{FOLDER}/diary/today.txt", "deny"),
        (f"{FOLDER}/d%69ary/today.txt", "deny"),
        ("file:///etc/passwd", "deny"),
    ],
)
def test_the_table_decides_as_the_page_says(config: Config, uri: str, effect: str) -> None:
    assert decided(config, resource_target("notes", uri)) == effect


def test_the_prompt_of_the_page_is_granted_and_no_other(config: Config) -> None:
    assert decided(config, prompt_target("notes", "summarise")) == "allow"
    assert decided(config, prompt_target("notes", "translate")) == "deny"


def test_the_rows_of_names_are_true(page: str) -> None:
    rows = re.findall(r"(?m)^\| the (?:resource|template) `(.*?)` \| `(.*?)` \|$", page)
    assert len(rows) == 2
    assert all(str(MeshUri("office", "notes", own)) == shown for own, shown in rows)
