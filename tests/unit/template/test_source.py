"""What holds of all source: size, and that it names neither a registry's host nor a place on somebody's machine."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.template.resources import ROOT, functions

HANDLERS = sorted((ROOT / "functions").glob("*/app.py"))
FENXIAO = sorted((ROOT / "layers" / "fenxiao" / "fenxiao").rglob("*.py"))
MAX_HANDLER_LINES = 60
MAX_FUNCTION_LINES = 70
REGISTRIES = re.compile(r"pypi\.(org|python)|files\.pythonhosted|registry\.(npmjs|yarnpkg|npmmirror)|--index-url\b")
MACHINE_PATHS = re.compile(r"(?<![\w.$}])/(home|root|Users|work|tmp|mnt|var/folders)/\w")


def tracked() -> Iterator[tuple[str, str]]:
    """Every text file that belongs to the repository, with its path."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607 - the developer's own git
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    own = Path(__file__).relative_to(ROOT).as_posix()
    for name in filter(None, listing.stdout.split("\0")):
        path = ROOT / name
        if name != own and path.is_file():
            yield name, path.read_bytes().decode("utf-8", errors="ignore")


def test_handlers_and_functions_of_the_template_are_the_same() -> None:
    assert sorted(one.folder for one in functions()) == [path.parent.name for path in HANDLERS]


@pytest.mark.parametrize("path", HANDLERS, ids=lambda path: path.parent.name)
def test_handler_only_parses_calls_and_answers(path: Path) -> None:
    """Counted are lines of statements: declarations of routes are the HTTP contract and grow with their number."""
    statements = [
        node
        for view in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(view, ast.FunctionDef)
        for node in view.body[1:]  # the docstring comes first
    ]
    assert sum((node.end_lineno or 0) - node.lineno + 1 for node in statements) <= MAX_HANDLER_LINES


def test_functions_are_short() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in [*FENXIAO, *HANDLERS]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 >= MAX_FUNCTION_LINES
    ]
    assert too_long == []


def test_nothing_names_a_registry_or_a_place_on_a_machine() -> None:
    found = [
        f"{name}: {match[0]}"
        for name, text in tracked()
        for pattern in (REGISTRIES, MACHINE_PATHS)
        for match in pattern.finditer(text)
    ]
    assert found == []
