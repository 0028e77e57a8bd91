"""Step Functions: start under our own name, and complete waiting tasks; both may safely be repeated."""

import json
from collections.abc import Mapping
from typing import Final

from botocore.exceptions import ClientError

from fenxiao.aws.clients import client

_TASK_ENDED: Final = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})


def start(machine_arn: str, name: str, data: Mapping[str, object]) -> None:
    """Start an execution; one that already runs or ran under this name is left as it is."""
    try:
        client("stepfunctions").start_execution(stateMachineArn=machine_arn, name=name, input=json.dumps(data))
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise


def complete(task_token: str, output: Mapping[str, object]) -> None:
    """Hand a waiting task its result; a task that ended meanwhile counts as done (M28)."""
    try:
        client("stepfunctions").send_task_success(taskToken=task_token, output=json.dumps(output))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _TASK_ENDED:
            raise
