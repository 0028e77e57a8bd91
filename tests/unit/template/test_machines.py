"""State machines: JSON that names nothing but steps which the payout function knows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.payout.app import ACTIONS
from tests.unit.template.resources import ROOT, data, of_type

MACHINES = of_type("AWS::Serverless::StateMachine")
FILES = sorted((ROOT / "infra" / "state_machines").iterdir())


def definition(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def tasks(path: Path) -> Iterator[dict[str, Any]]:
    for state in definition(path)["States"].values():
        if state["Type"] == "Task":
            yield state


def test_definitions_are_json_files_and_all_are_used() -> None:
    assert [path.name for path in FILES] == sorted(Path(machine["DefinitionUri"]).name for machine in MACHINES.values())
    for machine in MACHINES.values():
        assert re.fullmatch(r"infra/state_machines/\w+\.asl\.json", machine["DefinitionUri"])
        assert "Definition" not in machine


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_tasks_call_the_payout_function_with_an_action_that_it_knows(path: Path) -> None:
    for state in tasks(path):
        assert re.fullmatch(r"arn:\$\{Partition\}:states:::lambda:invoke(\.waitForTaskToken)?", state["Resource"])
        arguments = state["Arguments"]
        assert arguments["FunctionName"] == "${PayoutFunctionArn}"
        assert arguments["Payload"]["action"] in ACTIONS
        waits = state["Resource"].endswith(".waitForTaskToken")
        assert ("task_token" in arguments["Payload"]) == waits
        assert ("TimeoutSeconds" in state) == waits


def test_every_action_is_a_step_of_a_machine() -> None:
    used = {state["Arguments"]["Payload"]["action"] for path in FILES for state in tasks(path)}
    assert used == set(ACTIONS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_way_leads_to_a_state_that_is_there(path: Path) -> None:
    machine = definition(path)
    states = machine["States"]
    named = {machine["StartAt"]}
    for state in states.values():
        named |= {state[key] for key in ("Next", "Default") if key in state}
        named |= {branch["Next"] for key in ("Choices", "Catch") for branch in state.get(key, [])}
    assert named == set(states)


def test_machines_may_invoke_the_payout_function_and_nothing_else() -> None:
    for name, machine in MACHINES.items():
        assert machine["Policies"] == [{"LambdaInvokePolicy": {"FunctionName": "PayoutFunction"}}], name
        assert machine["DefinitionSubstitutions"] == {
            "PayoutFunctionArn": "PayoutFunction.Arn",
            "Partition": "AWS::Partition",
        }
    assert data()["Resources"]["PayoutFunction"]["Type"] == "AWS::Serverless::Function"
