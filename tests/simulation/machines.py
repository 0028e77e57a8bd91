"""Step Functions: the two machines run by their own JSON, one step at a time, with their retries."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

_DIRECTORY: Final = Path(__file__).parents[2] / "infra" / "state_machines"
_CONDITION: Final = re.compile(r"\{% \$states\.input\.(\w+) = '(\w+)' %\}")
_CONTEXT_INPUT: Final = re.compile(r"\{% \$states\.context\.Execution\.Input\.(\w+) %\}")
_INPUT: Final = re.compile(r"\{% \$states\.input\.(\w+) %\}")
_TOKEN: Final = "{% $states.context.Task.Token %}"
_RETRIES: Final = 4
"""Of each task, as the machines say."""

type Worker = Callable[[dict[str, Any]], object]


@dataclass
class Execution:
    """One run of a machine: at which state it stands, with what value, and under which token it waits."""

    name: str
    states: Mapping[str, Any]
    data: Mapping[str, Any]
    state: str | None
    value: Any = None
    token: str | None = None
    failures: int = 0

    @property
    def runnable(self) -> bool:
        """Tell whether it has something to do."""
        return self.state is not None and self.token is None

    def go_to(self, state: str | None, value: Any = None) -> None:
        """Go on at another state, over the choices that follow from the value."""
        self.token, self.failures = None, 0
        self.state, self.value = state, value if value is not None else self.value
        while self.state and self.states[self.state]["Type"] == "Choice":
            self.state = _chosen(self.states[self.state], self.value)
        if self.state and self.states[self.state]["Type"] != "Task":
            self.state = None

    def fail(self) -> None:
        """Take a task's failure: try again, then go where the machine catches it, or end."""
        self.token = None
        self.failures += 1
        if self.failures > _RETRIES:
            catchers = self.states[self.state or ""].get("Catch", [])
            self.go_to(next((one["Next"] for one in catchers if "States.ALL" in one["ErrorEquals"]), None))


@dataclass
class Machines:
    """All executions."""

    worker: Worker
    executions: dict[str, Execution] = field(default_factory=dict)
    _tokens: int = 0

    def starter(self, machine: str) -> Callable[[str, Mapping[str, object]], None]:
        """Return what starts an execution; a name is used once, as Step Functions has it."""

        def start(name: str, data: Mapping[str, object]) -> None:
            if name not in self.executions:
                definition = _definition(machine)
                execution = Execution(name, definition["States"], dict(data), None)
                execution.go_to(definition["StartAt"])
                self.executions[name] = execution

        return start

    def complete(self, token: str, output: Mapping[str, object]) -> None:
        """Hand a waiting task its result; a token under which nothing waits means nothing."""
        for execution in self.executions.values():
            if execution.state and execution.token == token:
                execution.go_to(execution.states[execution.state]["Next"], json.loads(json.dumps(output)))

    def runnable(self) -> list[Execution]:
        """Return the executions that have something to do."""
        return [one for one in self.executions.values() if one.runnable]

    def step(self, execution: Execution) -> None:
        """Do one task. What its worker raises is raised, after the machine took it."""
        assert execution.state
        state = execution.states[execution.state]
        waits = state["Resource"].endswith(".waitForTaskToken")
        self._tokens += 1
        token = f"token-{self._tokens}"
        payload = {
            name: token if text == _TOKEN else _filled(text, execution)
            for name, text in state["Arguments"]["Payload"].items()
        }
        execution.token = token
        try:
            answer = self.worker(payload)
        except BaseException:
            if execution.token == token:  # else the task was completed meanwhile
                execution.fail()
            raise
        if not waits:
            execution.go_to(state["Next"], json.loads(json.dumps(answer)))


@cache
def _definition(machine: str) -> Any:
    return json.loads((_DIRECTORY / f"{machine}.asl.json").read_text(encoding="utf-8"))


def _filled(text: str, execution: Execution) -> Any:
    if match := _CONTEXT_INPUT.fullmatch(text):
        return execution.data[match[1]]
    if match := _INPUT.fullmatch(text):
        return execution.value[match[1]]
    return text


def _chosen(state: Mapping[str, Any], value: Mapping[str, object]) -> str:
    for choice in state["Choices"]:
        match = _CONDITION.fullmatch(choice["Condition"])
        assert match, choice["Condition"]
        if value.get(match[1]) == match[2]:
            return str(choice["Next"])
    return str(state["Default"])
