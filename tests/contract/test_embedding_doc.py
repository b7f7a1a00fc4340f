"""The page on embedding has the host that the integration tests run, word for word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from clawmatrix_core import LocalProtocolError, PluginInfo
from clawmatrix_model_proxy.api import local_upstream

if TYPE_CHECKING:
    from pathlib import Path

    from clawmatrix_core.testing.fixtures import NodeFactory


def test_the_host_of_the_page_is_the_one_that_is_tested(root: Path) -> None:
    page = (root / "docs" / "embedding.md").read_text()
    [shown] = re.findall(
        r"<!-- start host.py -->\n```python\n(.*?)```\n<!-- end -->", page, re.DOTALL
    )
    assert shown == (root / "tests" / "integration" / "embedding_host.py").read_text()
    assert len(shown.splitlines()) < 105


def test_the_service_of_the_page_is_the_one_that_is_tested(root: Path) -> None:
    page = (root / "docs" / "embedding.md").read_text()
    [shown] = re.findall(
        r"<!-- start service.py -->\n```python\n(.*?)```\n<!-- end -->", page, re.DOTALL
    )
    assert shown == (root / "tests" / "integration" / "embedding_service.py").read_text()


def test_every_name_that_the_host_imports_is_explained(root: Path) -> None:
    page = (root / "docs" / "embedding.md").read_text()
    shown, words = page.split("<!-- end -->", 1)
    imported = re.findall(r"(?m)^from clawmatrix_[\w.]+ import (\([^)]+\)|.+)$", shown)
    names = [name for told in imported for name in re.findall(r"\w+", told)]
    assert len(names) >= 8
    assert [name for name in names if not re.search(rf"\b{name}\b", words)] == []


def test_the_fields_of_a_plugins_state_are_those_that_it_has(root: Path) -> None:
    page = (root / "docs" / "embedding.md").read_text()
    [table] = re.findall(r"<!-- plugin info -->\n(.*?)\n<!-- end plugin info -->", page, re.DOTALL)
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    told = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    fields = [field.name for field in attrs.fields(PluginInfo)]
    assert sorted(told) == sorted({*fields} - {"overruns"})  # which the registry alone counts


def example(root: Path, name: str) -> dict[str, Any]:
    page = (root / "docs" / "embedding.md").read_text()
    [code] = re.findall(rf"<!-- start {name} -->\n```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code, name, "exec"), names)
    return names


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_function_of_the_host_is_a_model(root: Path, node_factory: NodeFactory) -> None:
    said = example(root, "local_model.py")["said"]
    async with node_factory("host", built_in=["mesh", "model-proxy"]) as node:
        assert await said(node, "hello you") == "HELLO YOU"


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_function_is_a_model_of_a_host_on_trio_too(
    root: Path, node_factory: NodeFactory
) -> None:
    said = example(root, "trio_model.py")["said_on_trio"]
    async with node_factory("host", built_in=["mesh", "model-proxy"]) as node:
        assert await said(node, "hello you") == "HELLO YOU"
        with pytest.raises(LocalProtocolError, match="start_blocking_portal"):
            await local_upstream("hello").__aenter__()
