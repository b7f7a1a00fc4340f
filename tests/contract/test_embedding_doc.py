"""The page on embedding has the host that the integration tests run, word for word."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def test_the_host_of_the_page_is_the_one_that_is_tested(root: Path) -> None:
    page = (root / "docs" / "embedding.md").read_text()
    [shown] = re.findall(
        r"<!-- start host.py -->\n```python\n(.*?)```\n<!-- end -->", page, re.DOTALL
    )
    assert shown == (root / "tests" / "integration" / "embedding_host.py").read_text()
    assert len(shown.splitlines()) < 125


def test_the_service_of_the_page_is_the_one_that_is_tested(root: Path) -> None:
    page = (root / "docs" / "embedding.md").read_text()
    [shown] = re.findall(
        r"<!-- start service.py -->\n```python\n(.*?)```\n<!-- end -->", page, re.DOTALL
    )
    assert shown == (root / "tests" / "integration" / "embedding_service.py").read_text()


def test_every_name_that_the_host_imports_is_explained(root: Path) -> None:
    page = (root / "docs" / "embedding.md").read_text()
    shown, words = page.split("<!-- end -->", 1)
    imported = re.findall(r"(?m)^from clawmatrix_[\w.]+ import (.+)$", shown)
    names = [name for line in imported for name in line.split(", ")]
    assert len(names) >= 8
    assert [name for name in names if not re.search(rf"\b{name}\b", words)] == []
