"""What the launcher repairs in MiniStack's Step Functions."""

import json
import time
import uuid

import pytest

from tests.canary.conftest import Canary

TIMEOUT_SECONDS = 20
POLL_SECONDS = 0.05


def start(canary: Canary, machine: str, name: str, **data: object) -> str:
    answer = canary.emulator.client("stepfunctions").start_execution(
        stateMachineArn=canary.outputs[machine], name=name, input=json.dumps(data)
    )
    return str(answer["executionArn"])


def output(canary: Canary, execution_arn: str) -> object:
    """The output of an execution that succeeds."""
    client = canary.emulator.client("stepfunctions")
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (execution := client.describe_execution(executionArn=execution_arn))["status"] == "RUNNING":
        assert time.monotonic() < deadline, "the execution is still running"
        time.sleep(POLL_SECONDS)
    assert execution["status"] == "SUCCEEDED", execution
    return json.loads(execution["output"])


def test_class_of_an_exception_is_caught_by_name(canary: Canary) -> None:
    caught = output(canary, start(canary, "CatchingMachineArn", uuid.uuid4().hex))

    assert isinstance(caught, dict)
    assert caught["Error"] == "CanaryRefusedError"


def test_second_start_of_one_name_and_input_answers_with_the_running_execution(canary: Canary) -> None:
    name = uuid.uuid4().hex

    first = start(canary, "WaitingMachineArn", name, action="wait")

    assert start(canary, "WaitingMachineArn", name, action="wait") == first


def test_second_start_of_one_name_with_another_input_is_refused(canary: Canary) -> None:
    name = uuid.uuid4().hex
    start(canary, "WaitingMachineArn", name, action="wait")
    client = canary.emulator.client("stepfunctions")

    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        start(canary, "WaitingMachineArn", name, action="silent")


def test_task_without_heartbeat_times_out(canary: Canary) -> None:
    execution = start(canary, "WaitingMachineArn", uuid.uuid4().hex, action="wait")

    assert output(canary, execution) == "no heartbeat"


def test_callback_task_fails_with_its_function(canary: Canary) -> None:
    execution = start(canary, "WaitingMachineArn", uuid.uuid4().hex, action="fail")

    assert output(canary, execution) == "the function failed"


def test_distributed_map_reads_its_items_where_the_input_says_and_shapes_its_output(canary: Canary) -> None:
    items = [{"amount_fen": fen} for fen in (1, 20, 300)]
    bucket = canary.outputs["BucketName"]
    canary.emulator.client("s3").put_object(Bucket=bucket, Key="items.json", Body=json.dumps(items).encode())

    execution = start(canary, "MappingMachineArn", uuid.uuid4().hex, key="items.json")

    assert output(canary, execution) == {"sum_fen": 642, "key": "items.json"}


def test_distributed_map_without_its_items_fails(canary: Canary) -> None:
    execution = start(canary, "MappingMachineArn", uuid.uuid4().hex, key="nowhere.json")

    assert output(canary, execution) == "an item failed"
