"""The reference of the hooks, held equal to the hooks."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

import pytest

import clawmatrix_core
from clawmatrix_core.base.dispatch import DISPATCH
from tests.contract.every_hook import HOOKS, SPECS

if TYPE_CHECKING:
    from pathlib import Path

every_hook = pytest.mark.parametrize("hook", SPECS)

VERBS = {"collect", "notify", "first", "every", "demand", "frame"}
CALLERS = (
    "Called by the node",
    "Called by the command line",
    "Called by the ``grants`` plugin",
    "Called by the ``http`` plugin",
    "Called by the ``knowledge`` plugin",
    "Called by the ``model-proxy`` plugin",
    "Called by the ``tool-proxy`` plugin",
    "Called for ``status``",
)


def heading(hook: str) -> str:
    return f"{hook}({', '.join(inspect.signature(SPECS[hook]).parameters)})"


def signature(hook: str) -> str:
    """Return the signature of a hook with its types, as the page shows it."""
    spec = SPECS[hook]
    told = inspect.signature(spec)
    taken = ", ".join(f"{one.name}: {one.annotation}" for one in told.parameters.values())
    colour = "async def" if inspect.iscoroutinefunction(spec) else "def"
    return f"`{colour} {hook}({taken}) -> {told.return_annotation}`"


def sections(root: Path) -> dict[str, str]:
    """Return the text under each second-level heading of the reference."""
    text = (root / "docs" / "hooks.md").read_text()
    found = re.split(r"(?m)^#{1,2} (.*)\n", text)[1:]
    return {
        title: body for title, body in zip(found[::2], found[1::2], strict=True) if "(" in title
    }


def dispatch(hook: str) -> str:
    [verb] = re.findall(r"Dispatch: (\w+)\.$", inspect.getdoc(SPECS[hook]) or "")
    return str(verb)


def test_the_headings_are_the_hooks_in_their_order(root: Path) -> None:
    assert list(sections(root)) == [heading(hook) for hook in SPECS]


@every_hook
def test_each_section_says_what_the_hook_is(hook: str, root: Path) -> None:
    body = sections(root)[heading(hook)]
    colour = "`async`" if inspect.iscoroutinefunction(SPECS[hook]) else "`def`"
    assert body.lstrip().startswith(f"{colour}, dispatch: {dispatch(hook)}.")
    assert f"\n\n{signature(hook)}\n\n" in body
    for parameter in inspect.signature(SPECS[hook]).parameters:
        assert f"\n- `{parameter}`:" in body
    assert body.count("```python") == 1
    assert body.index("@hookimpl") < body.rindex(f"def {hook}(")


@every_hook
def test_the_examples_take_parameters_that_the_hook_has(hook: str, root: Path) -> None:
    body = sections(root)[heading(hook)]
    [taken] = re.findall(rf"def {hook}\(self,? ?(.*?)\):", body)
    known = [*inspect.signature(SPECS[hook]).parameters]
    assert [name for name in taken.split(", ") if name] == known


@every_hook
def test_each_specification_says_who_calls_it_and_how_results_are_used(hook: str) -> None:
    text = " ".join((inspect.getdoc(SPECS[hook]) or "").split())
    summary = text.partition(". ")[0]
    assert summary[0].isupper()
    assert any(f" {caller}" in text for caller in CALLERS)
    assert dispatch(hook) in VERBS


@every_hook
def test_the_dispatch_fits_the_specification(hook: str) -> None:
    spec = SPECS[hook]
    assert dispatch(hook) == HOOKS[hook].kind
    options = spec.clawmatrix_spec  # type: ignore[attr-defined] # pluggy sets it
    verb = dispatch(hook)
    assert (verb == "first") == bool(options["firstresult"])
    assert (verb == "collect") == hook.startswith("register_")
    assert (verb == "frame") == hook.endswith(("frame_received", "transit_received"))
    if verb == "notify":
        assert inspect.signature(spec).return_annotation == "None"
    assert (verb in ("every", "demand")) == hasattr(spec, DISPATCH)
    if verb == "demand":
        assert "None" not in inspect.signature(spec).return_annotation
    if verb in ("collect", "frame"):
        assert not inspect.iscoroutinefunction(spec)


@every_hook
def test_parameters_have_no_defaults_and_can_go_by_name(hook: str) -> None:
    for parameter in inspect.signature(SPECS[hook]).parameters.values():
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert parameter.default is inspect.Parameter.empty


def test_every_mention_of_a_hook_with_its_parameters_is_right(root: Path) -> None:
    wrong = []
    for page in [root / "README.md", *(root / "docs").rglob("*.md")]:
        for name, taken in re.findall(r"(?<!def )\b(\w+)\(([\w, ]*)\)`", page.read_text()):
            if name in SPECS and taken and f"{name}({taken})" != heading(name):
                wrong.append(f"{page.name}: {name}({taken})")
    assert wrong == []


def test_the_types_of_the_cores_hooks_can_be_imported_as_the_page_says() -> None:
    told = {word for hook in SPECS for word in re.findall(r"[\w.]+", signature(hook))}
    types = {word for word in told if word[0].isupper()}
    # Of the plugins' own api:
    apis = {
        "ApprovalRequest",
        "HttpRoute",
        "ModelApi",
        "ModelUpstream",
        "Tool",
        "ToolShape",
        "Version",
    }
    assert types - {"None", "Mapping", "Sequence"} - apis <= set(clawmatrix_core.__all__)
    assert apis < types
