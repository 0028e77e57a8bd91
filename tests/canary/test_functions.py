"""What the launcher repairs in MiniStack's Lambda."""

import json
import time
from typing import cast

from tests.canary.conftest import Canary

type Answer = tuple[str | None, dict[str, object] | None]


def invoke(canary: Canary, event: dict[str, object]) -> Answer:
    """The function's error kind (`Unhandled`, or None) and its answer."""
    response = canary.emulator.client("lambda").invoke(
        FunctionName=canary.outputs["FunctionName"], Payload=json.dumps(event).encode()
    )
    return response.get("FunctionError"), cast("dict[str, object] | None", json.load(response["Payload"]))


def test_failure_names_the_class_of_the_exception(canary: Canary) -> None:
    kind, answer = invoke(canary, {"action": "fail"})

    assert kind == "Unhandled"
    assert answer is not None
    assert answer["errorType"] == "CanaryRefusedError"
    assert answer["errorMessage"] == "refused"


def test_silent_function_answers_without_the_wait_for_its_logs(canary: Canary) -> None:
    invoke(canary, {"action": "silent"})

    def seconds() -> float:
        began = time.perf_counter()
        invoke(canary, {"action": "silent"})
        return time.perf_counter() - began

    # Stock MiniStack takes at least 0.05 s for each; the quickest says it, however busy the machine is.
    assert min(seconds() for _ in range(20)) < 0.045


def test_functions_have_boto3_and_none_of_the_libraries_of_ministack(canary: Canary) -> None:
    _, answer = invoke(canary, {"action": "environment"})

    assert answer is not None
    assert str(answer["prefix"]).endswith("lambda-venv")
    assert (answer["boto3"], answer["yaml"], answer["ministack"]) == (True, False, False)


def test_what_a_function_prints_is_in_the_log_file(canary: Canary) -> None:
    invoke(canary, {"action": "log", "text": "printed by the canary"})

    lines = (canary.emulator.logs / "functions.log").read_text(encoding="utf-8").splitlines()
    printed = lines.index("    printed by the canary")
    assert lines[printed - 1].startswith(canary.outputs["FunctionName"])


def test_failure_is_marked_in_the_log_file_with_its_traceback(canary: Canary) -> None:
    invoke(canary, {"action": "fail"})

    text = (canary.emulator.logs / "functions.log").read_text(encoding="utf-8")
    assert " FAILED\n    Traceback" in text


def test_reserved_concurrency_of_the_template_is_kept(canary: Canary) -> None:
    answer = canary.emulator.client("lambda").get_function_concurrency(
        FunctionName=canary.outputs["CappedFunctionName"]
    )

    assert answer["ReservedConcurrentExecutions"] == 3
