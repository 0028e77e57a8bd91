"""State machines: JSON that names nothing but steps which their worker function knows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.payout import app as payout
from functions.simulation import app as simulation
from tests.unit.template.resources import ROOT, data, of_type

MACHINES = of_type("AWS::Serverless::StateMachine")
ACTIONS = {"PayoutFunction": payout.ACTIONS, "SimulationFunction": simulation.ACTIONS}
FILES = sorted((ROOT / "infra" / "state_machines").iterdir())


def definition(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def states(path: Path) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each state with the states among which it stands: a map's processor has its own."""

    def within(machine: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        for state in machine["States"].values():
            yield state, machine
            if "ItemProcessor" in state:
                yield from within(state["ItemProcessor"])

    return within(definition(path))


def tasks(path: Path) -> Iterator[dict[str, Any]]:
    for state, _ in states(path):
        if state["Type"] == "Task":
            yield state


def worker(path: Path) -> str:
    """The function that works for a machine, by its logical name."""
    return "SimulationFunction" if path.name == "simulation.asl.json" else "PayoutFunction"


def test_definitions_are_json_files_and_all_are_used() -> None:
    assert [path.name for path in FILES] == sorted(Path(machine["DefinitionUri"]).name for machine in MACHINES.values())
    for machine in MACHINES.values():
        assert re.fullmatch(r"infra/state_machines/\w+\.asl\.json", machine["DefinitionUri"])
        assert "Definition" not in machine


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_tasks_call_their_worker_with_an_action_that_it_knows(path: Path) -> None:
    for state in tasks(path):
        assert re.fullmatch(r"arn:\$\{Partition\}:states:::lambda:invoke(\.waitForTaskToken)?", state["Resource"])
        arguments = state["Arguments"]
        assert arguments["FunctionName"] == f"${{{worker(path)}Arn}}"
        assert arguments["Payload"]["action"] in ACTIONS[worker(path)]
        waits = state["Resource"].endswith(".waitForTaskToken")
        assert ("task_token" in arguments["Payload"]) == waits
        assert ("TimeoutSeconds" in state) == waits


@pytest.mark.parametrize("name", ACTIONS)
def test_every_action_is_a_step_of_a_machine(name: str) -> None:
    own = [path for path in FILES if worker(path) == name]
    assert {state["Arguments"]["Payload"]["action"] for path in own for state in tasks(path)} == set(ACTIONS[name])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_way_leads_to_a_state_that_is_there(path: Path) -> None:
    machines = {id(machine): machine for _, machine in states(path)}
    for machine in machines.values():
        named = {machine["StartAt"]}
        for state in machine["States"].values():
            named |= {state[key] for key in ("Next", "Default") if key in state}
            named |= {branch["Next"] for key in ("Choices", "Catch") for branch in state.get(key, [])}
        assert named == set(machine["States"])


def test_machines_may_invoke_their_worker_and_nothing_else() -> None:
    for name, machine in MACHINES.items():
        own = worker(Path(machine["DefinitionUri"]))
        assert machine["Policies"][0] == {"LambdaInvokePolicy": {"FunctionName": own}}, name
        assert machine["DefinitionSubstitutions"][f"{own}Arn"] == f"{own}.Arn"
        assert data()["Resources"][own]["Type"] == "AWS::Serverless::Function"
        if own == "PayoutFunction":
            assert len(machine["Policies"]) == 1
            assert machine["DefinitionSubstitutions"].keys() == {f"{own}Arn", "Partition"}


def test_simulation_machine_reads_its_own_batches_and_starts_its_own_children_only() -> None:
    (_, more) = MACHINES["SimulationMachine"]["Policies"]
    assert more["Statement"] == [
        {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "${LakeBucket.Arn}/simulations/*"}
    ]
    children = data()["Resources"]["SimulationMachineMapPolicy"]["Properties"]
    assert children["Roles"] == ["SimulationMachineRole"]
    assert children["PolicyDocument"]["Statement"] == [
        {"Effect": "Allow", "Action": "states:StartExecution", "Resource": "SimulationMachine"},
        {
            "Effect": "Allow",
            "Action": ["states:DescribeExecution", "states:StopExecution"],
            "Resource": "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}"
            ":execution:${SimulationMachine.Name}/*",
        },
    ]
