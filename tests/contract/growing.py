"""Finds the containers and buffers that objects of the product fill as they live.

A container counts where a class keeps it in an attribute and anything in the product adds to
it; one with a ``maxlen`` bounds itself. Functions that keep all their results count as well, and
containers of modules. ``growing.toml`` has the bound of each, or why it needs none.

``python -m tests.contract.growing`` prints them, each with a place that adds to it.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.contract.house import module_of, product_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Rooms whose objects last for one command or one test.
SHORT_LIVED = ("clawmatrix_core.testing", "clawmatrix_core.cli", "clawmatrix_core.kit")

_MAKERS = {
    *("dict", "list", "set", "deque", "OrderedDict", "Counter", "defaultdict", "array"),
    *("bytearray", "bytes", "BytesIO", "StringIO"),
    *("WeakKeyDictionary", "WeakValueDictionary", "WeakSet"),
}
_TYPES = _MAKERS | {"MutableMapping", "MutableSequence", "MutableSet", "Deque"}
_GROWING = {
    *("append", "appendleft", "extend", "extendleft", "insert", "insort", "put", "put_nowait"),
    *("add", "setdefault", "update", "subtract", "__setitem__", "push", "write"),
}
_LITERALS = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
_UNBOUNDED_CACHES = ("cache", "functools.cache")


def growing() -> dict[str, str]:
    """Return each growing container by ``module.Class.attribute``: the place that adds to it."""
    modules = {module_of(file): file for file in product_files()}
    return growing_in(
        {
            module: ast.parse(file.read_text())
            for module, file in modules.items()
            if not module.startswith(SHORT_LIVED)
        }
    )


def growing_in(trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """Return the same of the syntax trees of modules."""
    anywhere: dict[str, str] = {}
    for module, tree in trees.items():
        for attribute, line in _grown(tree):
            anywhere.setdefault(attribute, f"{module}:{line}")
    found: dict[str, str] = {}
    for module, tree in trees.items():
        kept = [*_caches(tree), *_globals(tree)]
        found |= {f"{module}.{name}": f"{module}:{line}" for name, line in kept}
        for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            inside = {attribute: f"{module}:{line}" for attribute, line in _grown(owner)}
            for attribute in _containers(owner):
                # A private attribute is changed by its class only, or by a neighbour in its file.
                place = inside.get(attribute) or anywhere.get(attribute)
                if place and (not attribute.startswith("_") or place.startswith(f"{module}:")):
                    found[f"{module}.{owner.name}.{attribute}"] = place
    return found


def _containers(owner: ast.ClassDef) -> set[str]:
    """Return the attributes of a class that hold a container or a buffer."""
    found = set()
    for node in ast.walk(owner):
        match node:
            case ast.Assign(targets=targets, value=value) if _is_container(value):
                found |= {name for target in targets if (name := _of_self(target))}
            case ast.AnnAssign(target=target, annotation=kind, value=value):
                name = _of_self(target) or (_name(target) if node in owner.body else None)
                if name and (_is_type(kind) or (value is not None and _is_container(value))):
                    found.add(name)
            case ast.Subscript(value=inner, ctx=ast.Store()) if name := _of_self(inner):
                found.add(name)  # it was made elsewhere, as what is read from a file
            case ast.Call(func=ast.Attribute(value=inner, attr="setdefault" | "move_to_end")):
                found |= {name} if (name := _of_self(inner)) else set()
    return found


def _name(node: ast.expr) -> str | None:
    return node.id if isinstance(node, ast.Name) else None


def _of_self(node: ast.expr) -> str | None:
    match node:
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
    return None


def _is_container(value: ast.expr) -> bool:
    """Say whether an expression makes a container that nothing in it bounds."""
    match value:
        case ast.Constant(value=bytes() | str() as text):
            return not text
        case ast.Call(func=function, keywords=keywords):
            made = ast.unparse(function).split("[")[0].split(".")[-1]
            if made in _MAKERS:
                return not any(keyword.arg == "maxlen" for keyword in keywords)
            factories = [word.value for word in keywords if word.arg in ("factory", "default")]
            return made in ("field", "Factory") and any(
                _short(factory) in _MAKERS for factory in [*factories, *value.args]
            )
    return isinstance(value, _LITERALS)


def _short(node: ast.expr) -> str:
    body = node.body if isinstance(node, ast.Lambda) else node
    called = body.func if isinstance(body, ast.Call) else body
    return ast.unparse(called).split("[")[0].split(".")[-1]


def _is_type(kind: ast.expr) -> bool:
    return ast.unparse(kind).split("[")[0].split(".")[-1] in _TYPES


def _grown(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Give each attribute that something is added to, with the line."""
    for node, known in _with_short_names(tree, {}):
        match node:
            case ast.Call(func=ast.Attribute(value=value, attr=method)) if method in _GROWING:
                targets: list[ast.expr] = [value]
            case ast.Call(func=ast.Name(id="insort" | "heappush"), args=[value, *_]):
                targets = [value]
            case ast.Assign(targets=assigned):
                targets = [target.value for target in assigned if isinstance(target, ast.Subscript)]
                targets += [target for target in assigned if _adds_to(target, node.value)]
            case ast.AugAssign(target=added, op=ast.Add() | ast.BitOr()):
                targets = [added]
            case _:
                continue
        for target in targets:
            if (name := _attribute(target, known)) is not None:
                yield name, node.lineno


def _with_short_names(
    node: ast.AST, known: Mapping[str, str]
) -> Iterator[tuple[ast.expr | ast.stmt, Mapping[str, str]]]:
    """Give each node, with the local names that stand for attributes: ``held = self._held``."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        known = {**known, **dict(_short_names(node))}
    if isinstance(node, ast.expr | ast.stmt):
        yield node, known
    for child in ast.iter_child_nodes(node):
        yield from _with_short_names(child, known)


def _short_names(function: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from _paired(target, node.value)


def _paired(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, str]]:
    match target, value:
        case ast.Name(id=name), ast.Attribute(attr=attribute):
            yield name, attribute
        case ast.Tuple(elts=targets), ast.Tuple(elts=values) if len(targets) == len(values):
            for one, other in zip(targets, values, strict=True):
                yield from _paired(one, other)


def _adds_to(target: ast.expr, value: ast.expr) -> bool:
    """Say whether a value is what the target held and more."""
    own = ast.unparse(target)
    match value:
        case ast.BinOp(left=left, right=right):
            return own in (ast.unparse(left), ast.unparse(right))
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return any(ast.unparse(part) == f"*{own}" for part in parts)
        case ast.Dict(keys=keys, values=values):
            return any(
                key is None and ast.unparse(part) == own
                for key, part in zip(keys, values, strict=True)
            )
    return False


def _attribute(node: ast.expr, known: Mapping[str, str]) -> str | None:
    """Return the attribute that an expression reaches into: ``a.names[key].setdefault(x, [])``.

    ``known`` are the local names that stand for attributes.
    """
    match node:
        case ast.Name(id=name):
            return known.get(name)
        case ast.Attribute(attr=name):
            return name
        case ast.Subscript(value=inner):
            return _attribute(inner, known)
        case ast.Call(func=ast.Attribute(value=inner, attr="setdefault" | "get")):
            return _attribute(inner, known)
    return None


def _caches(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Give each function that keeps all of its results for good."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            marks = [ast.unparse(mark) for mark in node.decorator_list]
            if any(mark in _UNBOUNDED_CACHES or "maxsize=None" in mark for mark in marks):
                yield f"{node.name}()", node.lineno


def _globals(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Give each container of a module that its functions add to."""
    names = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and _is_container(node.value)
    }
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method)) if (
                    name in names and method in _GROWING
                ):
                    yield name, node.lineno
                case ast.Subscript(value=ast.Name(id=name), ctx=ast.Store()) if name in names:
                    yield name, node.lineno


if __name__ == "__main__":
    for name, place in sorted(growing().items()):
        print(name, place)
