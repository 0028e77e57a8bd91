"""The state machines' own JSON: well-formed, connected, and in step with their workers."""

import json
from typing import Any

import pytest

from functions.payout.app import ACTIONS
from tests.unit.withdrawal.harness import MACHINES

NAMES = ["withdrawal", "manual_review"]


def machine(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((MACHINES / f"{name}.asl.json").read_text())
    return loaded


def followers(state: dict[str, Any]) -> set[str]:
    """The states to which a state may lead."""
    named = [state, *state.get("Choices", []), *state.get("Catch", [])]
    return {one["Next"] for one in named if "Next" in one} | ({state["Default"]} if "Default" in state else set())


def tasks(name: str) -> list[dict[str, Any]]:
    return [state for state in machine(name)["States"].values() if state["Type"] == "Task"]


@pytest.mark.parametrize("name", NAMES)
def test_every_state_is_reachable_and_exists(name: str) -> None:
    definition = machine(name)
    reached, ahead = set(), {definition["StartAt"]}
    while ahead:
        state = ahead.pop()
        reached.add(state)
        ahead |= followers(definition["States"][state]) - reached
    assert reached == set(definition["States"])


def test_every_action_has_a_worker_and_every_worker_an_action() -> None:
    actions = [task["Arguments"]["Payload"]["action"] for name in NAMES for task in tasks(name)]
    assert sorted(actions) == sorted(ACTIONS)


@pytest.mark.parametrize("name", NAMES)
def test_every_task_is_tried_again_and_waits_are_bounded(name: str) -> None:
    for task in tasks(name):
        assert task["Retry"][-1]["ErrorEquals"] == ["States.ALL"]
        if task["Resource"].endswith(".waitForTaskToken"):
            assert task["TimeoutSeconds"] >= 30 * 24 * 3600, "deadlines are the tables', this is a distant backstop"
            assert task["Catch"][0]["ErrorEquals"] == ["States.Timeout"]


def test_whatever_goes_wrong_after_the_request_was_stored_waits_for_wechats_word() -> None:
    create = machine("withdrawal")["States"]["CreateTransfer"]
    assert create["Catch"] == [{"ErrorEquals": ["States.ALL"], "Next": "AwaitEnd"}]
