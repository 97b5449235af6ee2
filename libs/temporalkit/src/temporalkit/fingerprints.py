"""The commands of workflows, in order, as text: an edit that would break runs in flight shows up as a failing test.

A run that began under old code must meet the same commands, in the same order, under new code. This reads the commands
from the source, with the branches and loops around them, and compares them with what was committed:

    python -m temporalkit.fingerprints tests/replay/fingerprints.json worker_service.workflows [--update]

It says that something changed, not that it is wrong: update the file together with a `workflow.patched` or a new pinned
build. Replaying committed histories (`temporalkit.testing.replay`) says the rest.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib.util
import json
import pkgutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path

# Calls that become commands, or that shift what later ones carry (`random`, `uuid4`).
COMMANDS = frozenset(
    {
        *(f"{verb}_{kind}activity{form}" for verb in ("execute", "start") for kind in ("", "local_")
          for form in ("", "_class", "_method")),
        "execute_child_workflow", "start_child_workflow", "get_external_workflow_handle",
        "sleep", "wait_condition", "wait", "as_completed", "gather", "timeout", "create_task",
        "patched", "deprecate_patch", "continue_as_new", "upsert_search_attributes", "upsert_memo",
        "random", "uuid4", "uuid7", "step", "skip", "commit", "branches", "shielded",
    }
)  # fmt: skip

Outline = list[str]
Parts = list[tuple[str, Iterable[ast.AST]]]
Fingerprints = Mapping[str, Mapping[str, Outline]]


def fingerprints(names: Iterable[str]) -> Fingerprints:
    """The outline of every function with commands in the named modules, and in all modules of a named package."""
    found = {}
    for name in names:
        for module, path in _sources(_spec(name)):
            outlines = _functions(ast.parse(path.read_text()))
            if outlines:
                found[module] = outlines
    return dict(sorted(found.items()))


def difference(committed: Path, names: Iterable[str]) -> str:
    """What changed since the file was written, as a diff a person can read; empty when nothing did."""
    before = json.loads(committed.read_text()) if committed.exists() else {}
    diff = difflib.unified_diff(_lines(before), _lines(fingerprints(names)), "committed", "source", lineterm="", n=4)
    return "\n".join(diff)


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, or with `--update` write; answer 1 when they differ."""
    parser = argparse.ArgumentParser(prog="python -m temporalkit.fingerprints", description=__doc__)
    parser.add_argument("file", type=Path, help="the committed fingerprints")
    parser.add_argument("modules", nargs="+", help="modules or packages with workflows")
    parser.add_argument("--update", action="store_true", help="write the file instead of comparing")
    chosen = parser.parse_args(arguments)
    if chosen.update:
        chosen.file.write_text(json.dumps(fingerprints(chosen.modules), indent=2, ensure_ascii=False) + "\n")
        return 0
    diff = difference(chosen.file, chosen.modules)
    sys.stdout.write(f"{diff}\n" if diff else "")
    return 1 if diff else 0


def _lines(of: Fingerprints) -> list[str]:
    return [
        line
        for module, outlines in of.items()
        for name, outline in outlines.items()
        for line in (f"{module}.{name}", *(f"    {entry}" for entry in outline))
    ]


def _spec(name: str) -> ModuleSpec:
    spec = importlib.util.find_spec(name)
    if spec is None:
        raise ModuleNotFoundError(name)
    return spec


def _sources(spec: ModuleSpec) -> Iterator[tuple[str, Path]]:
    if spec.origin is not None:
        yield spec.name, Path(spec.origin)
    for child in pkgutil.iter_modules(spec.submodule_search_locations or ()):
        yield from _sources(_spec(f"{spec.name}.{child.name}"))


def _functions(module: ast.Module) -> dict[str, Outline]:
    """The outline of every function and method that has commands, or calls one of the module that has."""
    functions = dict(_named(module, ""))
    commands, known = COMMANDS, frozenset[str]()
    while commands != known:
        known = commands
        outlines = {name: _body(function.body, commands) for name, function in functions.items()}
        commands = COMMANDS | {name.rpartition(".")[2] for name, outline in outlines.items() if outline}
    return {name: outline for name, outline in outlines.items() if outline}


def _named(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _named(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", child


def _body(nodes: Iterable[ast.AST], commands: frozenset[str]) -> Outline:
    return [line for node in nodes for line in _outline(node, commands)]


def _outline(node: ast.AST, commands: frozenset[str]) -> Outline:
    """The commands below a node, each under the headings that decide whether and how often it is reached."""
    outline: Outline = []
    for heading, nodes in _parts(node, commands):
        inner = _body(nodes, commands)
        if heading and (inner or isinstance(node, ast.Call)):
            outline += [heading, *map(_indented, inner)]
        else:
            outline += inner
    return outline


def _parts(node: ast.AST, commands: frozenset[str]) -> Parts:
    """What a node is made of, in the order it runs, each part with its heading; no heading is transparent."""
    parts: Parts
    match node:
        case ast.Call():
            parts = [(_called(node) if _name(node) in commands else "", ast.iter_child_nodes(node))]
        case ast.If() | ast.While():
            word = type(node).__name__.lower()
            parts = [("", [node.test]), (f"{word} {ast.unparse(node.test)}", node.body), ("else", node.orelse)]
        case ast.IfExp():
            parts = [("", [node.test]), (f"if {ast.unparse(node.test)}", [node.body]), ("else", [node.orelse])]
        case ast.For() | ast.AsyncFor():
            loop = f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}"
            parts = [("", [node.iter]), (loop, node.body), ("else", node.orelse)]
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
            parts = [(" ".join(map(ast.unparse, node.generators)).strip(), [node.elt])]
        case ast.Try() | ast.TryStar():
            parts = [("try", node.body), ("", node.handlers), ("else", node.orelse), ("finally", node.finalbody)]
        case ast.ExceptHandler():
            parts = [(f"except {ast.unparse(node.type)}" if node.type else "except", node.body)]
        case ast.match_case():
            parts = [(f"case {ast.unparse(node.pattern)}", node.body)]
        case ast.keyword(arg=str(name)):
            parts = [(f"{name}=", [node.value])]
        case _:
            parts = [("", ast.iter_child_nodes(node))]
    return parts


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _indented(line: str) -> str:
    return f"  {line}"


def _called(call: ast.Call) -> str:
    """The call, with what it names: an activity, a workflow, a step, a patch. Other arguments may change freely."""
    first = call.args[0] if call.args else None
    names = isinstance(first, ast.Attribute) or (isinstance(first, ast.Constant) and isinstance(first.value, str))
    return ast.unparse(call.func) + (f" {ast.unparse(first)}" if first is not None and names else "")


if __name__ == "__main__":  # pragma: no cover - a test runs it, in a process of its own
    sys.exit(main())
