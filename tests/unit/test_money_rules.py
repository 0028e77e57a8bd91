"""Every money rule has a test that names it."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
RULES = {f"M{number}" for number in range(1, 32)}


def named(tree: ast.Module) -> Iterator[str]:
    """The rules that a module's `pytest.mark.rule(...)` calls name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.rule":
            yield from (str(ast.literal_eval(argument)) for argument in node.args)


def test_every_money_rule_is_named_by_a_test() -> None:
    found = {rule for path in TESTS.rglob("test_*.py") for rule in named(ast.parse(path.read_text(encoding="utf-8")))}
    assert sorted(RULES - found) == []
    assert sorted(found - RULES) == []
