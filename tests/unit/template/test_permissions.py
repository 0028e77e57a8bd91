"""Least privilege: what each role may do, and to what."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.unit.template.resources import ROOT, data, functions, listed, of_type

LAYER: Final = ROOT / "layers" / "fenxiao"
WIRING: Final = "fenxiao.wiring"
TASK_TOKEN_ACTIONS: Final = {"states:SendTaskSuccess"}
"""Step Functions knows no resource for a task token, so these alone may name every one."""
RESOURCE_FORMS: Final = {
    "dynamodb": r"\w+Table\.Arn|\$\{\w+Table\.Arn\}/index/\*",
    "lambda": r"\w+Function\.Arn",
    "s3": r"\w+Bucket\.Arn|\$\{\w+Bucket\.Arn\}/\*",
    "secretsmanager": r"\w+SecretArn",
    "sqs": r"\w+ParkedQueue\.Arn",
    "states": r"\w+Machine",
}
BY_FOLDER: Final = {one.folder: one for one in functions()}


def statements() -> Iterator[tuple[str, list[str], list[str]]]:
    for function in functions():
        for one in function.statements:
            yield function.folder, listed(one["Action"]), listed(one["Resource"])


def test_roles_allow_named_actions_only() -> None:
    for function in functions():
        for one in function.statements:
            assert set(one) == {"Effect", "Action", "Resource"}, function.folder
            assert one["Effect"] == "Allow"
    for folder, actions, _ in statements():
        assert actions, folder
        for action in actions:
            assert re.fullmatch(r"[a-z0-9]+:[A-Z]\w+", action), (folder, action)


def test_roles_name_their_resources() -> None:
    known = set(data()["Resources"]) | set(data()["Parameters"])
    for folder, actions, resources in statements():
        (service,) = {action.partition(":")[0] for action in actions}
        for resource in resources:
            if resource == "*":
                assert set(actions) == TASK_TOKEN_ACTIONS, folder
                continue
            assert re.fullmatch(RESOURCE_FORMS[service], resource), (folder, resource)
            assert re.findall(r"[A-Z]\w+", resource)[0] in known, (folder, resource)


def test_no_grant_is_written_twice() -> None:
    for function in functions():
        grants = [
            (action, resource)
            for one in function.statements
            for action in listed(one["Action"])
            for resource in listed(one["Resource"])
        ]
        assert len(set(grants)) == len(grants), function.folder


def test_index_is_granted_with_query_and_only_where_the_table_has_one() -> None:
    tables = of_type("AWS::DynamoDB::Table")
    for folder, actions, resources in statements():
        for resource in resources:
            if match := re.fullmatch(r"\$\{(\w+)\.Arn\}/index/\*", resource):
                assert "dynamodb:Query" in actions, folder
                assert "GlobalSecondaryIndexes" in tables[match[1]], folder


def test_functions_have_no_managed_policies_and_no_role_from_elsewhere() -> None:
    for function in functions():
        assert "Role" not in function.properties, function.folder
        for policy in function.properties.get("Policies", []):
            assert set(policy) == {"Version", "Statement"}, function.folder


def test_secret_is_readable_where_its_variable_is_set_and_nowhere_else() -> None:
    for function in functions():
        variables = {name for name in function.environment if name.endswith("_SECRET_ARN")}
        secrets = {function.environment[name] for name in variables}
        granted = {
            resource
            for one in function.statements
            if listed(one["Action"]) == ["secretsmanager:GetSecretValue"]
            for resource in listed(one["Resource"])
        }
        assert granted == secrets, function.folder


@pytest.mark.parametrize("folder", sorted(BY_FOLDER))
def test_function_is_granted_no_table_that_its_code_cannot_reach(folder: str) -> None:
    """Computed from the source: the modules that a handler and the wiring's factories which it names import."""
    variables = data()["Globals"]["Function"]["Environment"]["Variables"]
    reachable = {variables[name] for name in table_variables(folder)}
    assert BY_FOLDER[folder].granted_tables <= reachable


# --- what a handler's code can reach ----------------------------------------------------------------------------------


def table_variables(folder: str) -> set[str]:
    """Return the variables of all tables of which a model is imported, however far down."""
    handler = ast.parse((ROOT / "functions" / folder / "app.py").read_text(encoding="utf-8"))
    waiting, seen = imports_of(handler) | factories_imports(handler), {WIRING}
    while waiting - seen:
        module = (waiting - seen).pop()
        seen.add(module)
        waiting |= imports_of(parsed(module))
    return {name for module in seen for name in tables_of(parsed(module))}


def factories_imports(handler: ast.Module) -> set[str]:
    """Return the modules that the wiring's factories import which a handler calls, directly or through others."""
    factories = {node.name: node for node in parsed(WIRING).body if isinstance(node, ast.FunctionDef)}
    waiting = {
        node.attr
        for node in ast.walk(handler)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "wiring"
    }
    seen: set[str] = set()
    while waiting - seen:
        name = (waiting - seen).pop()
        seen.add(name)
        waiting |= {node.id for node in ast.walk(factories[name]) if isinstance(node, ast.Name)} & factories.keys()
    return {module for name in seen for module in imports_of(factories[name])}


def imports_of(tree: ast.AST) -> set[str]:
    """Return the modules of ours that a piece of source imports."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {module for module in found if path_of(module).is_file()}


def tables_of(tree: ast.AST) -> set[str]:
    """Return the variables that the models of a module name their tables by."""
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "table"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(path_of(module).read_text(encoding="utf-8"))


def path_of(module: str) -> Path:
    return LAYER / f"{module.replace('.', '/')}.py"
