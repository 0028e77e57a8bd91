from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from fenxiao import wiring
from fenxiao.aws.clients import client
from fenxiao.http.api import LambdaHandler
from tests.support.evidence import create_bucket, create_key
from tests.support.http import CONTEXT
from tests.unit.events.day import Day, environment_of, forget_wiring, module_of, secret_arn, token_secret
from tests.unit.identity.fakes import FakeMiniProgram
from tests.unit.wechat.wechat_side import Platform

type Invoke = Callable[[str, object], Any]
"""Invokes a function, with its own settings only, with an event."""


@pytest.fixture(scope="session")
def platform() -> Platform:
    return Platform.make()


@pytest.fixture
def day(tables: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Day]:
    """The shop, with WeChat's side played by fakes wherever a function would call out."""
    day = Day()
    forget_wiring()
    monkeypatch.setattr(wiring, "clock", lambda: day.floor.clock)
    monkeypatch.setattr(wiring, "mini_program", FakeMiniProgram)
    monkeypatch.setattr(wiring, "pay", lambda: day.floor.wechat)
    monkeypatch.setattr(wiring, "refunds", lambda: day.floor.refund_side)
    monkeypatch.setattr(wiring, "shipping", lambda: day.floor.shipping)
    monkeypatch.setattr(wiring, "transfers", lambda: day.transfers)
    monkeypatch.setattr(wiring, "bills", lambda: day.bills)
    monkeypatch.setattr(wiring, "start_preview", day.previews.append)
    yield day
    monkeypatch.undo()
    forget_wiring()


@pytest.fixture
def resources(day: Day, platform: Platform) -> dict[str, str]:
    """Secrets, queues and machines on moto, by the names that the template gives them."""
    found = {
        "PublicBaseUrl": "https://api.example.com",
        "WeChatSecretArn": secret_arn("wechat", msgspec.json.encode(platform.settings).decode()),
        "TokenSecretArn": secret_arn("token", token_secret()),
    }
    for name in ("Commission", "Fulfilment", "LedgerProjection", "Team", "WorkflowDispatch"):
        found[f"{name}ParkedQueue"] = client("sqs").create_queue(QueueName=name)["QueueUrl"]
    create_bucket("evidence")
    found |= {"EvidenceBucket": "evidence", "EvidenceKey.Arn": create_key()}
    client("s3").create_bucket(Bucket="lake")
    found |= {"LakeBucket": "lake", "MonthCloseFunction": "month-close"}
    for name in ("WithdrawalMachine", "ManualReviewMachine", "SimulationMachine"):
        machine = client("stepfunctions").create_state_machine(
            name=name,
            definition='{"StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}',
            roleArn="arn:aws:iam::123456789012:role/machine",
        )
        found[name] = machine["stateMachineArn"]
    return found


@pytest.fixture
def invoke(day: Day, resources: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Invoke:
    def call(function: str, event: object) -> Any:
        for name, value in environment_of(function, resources).items():
            monkeypatch.setenv(name, value)
        handler: LambdaHandler = module_of(function).lambda_handler
        return handler(event, CONTEXT)

    return call
