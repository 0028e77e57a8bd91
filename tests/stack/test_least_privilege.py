"""Each function may touch what it uses, and nothing else (MiniStack enforces the roles' policies)."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from infra.local.emulator import REGION
from tests.stack.support import World

KEY = {"pk": {"S": "nobody"}, "sk": {"S": "nothing"}}


def client_as(world: World, function: str, service: str) -> Any:
    """Return a client with the credentials of a function's role."""
    iam: Any = world.stack.client("iam")
    sts: Any = world.stack.client("sts")
    arn = iam.get_role(RoleName=world.resources[f"{function}Role"])["Role"]["Arn"]
    given = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return boto3.client(
        service,
        endpoint_url=world.stack.endpoint_url,
        region_name=REGION,
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
    )


def outcome(call: Callable[..., object], **arguments: object) -> str:
    """Return `ok`, or the code of the error."""
    try:
        call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return "ok"


def read(world: World, function: str, table: str) -> str:
    return outcome(client_as(world, function, "dynamodb").get_item, TableName=world.resources[table], Key=KEY)


def write(world: World, function: str, table: str) -> str:
    """Try to write on a condition that never holds, so that nothing changes even where it is allowed."""
    return outcome(
        client_as(world, function, "dynamodb").put_item,
        TableName=world.resources[table],
        Item=KEY,
        ConditionExpression="attribute_exists(pk)",
    )


@pytest.mark.parametrize(
    ("function", "table"),
    [
        ("WalletFunction", "LedgerTable"),
        ("WalletFunction", "StatementTable"),
        ("WalletFunction", "MemberTable"),
        ("ReportFunction", "StatementTable"),
        ("LedgerProjectionFunction", "LedgerTable"),
        ("OrderFunction", "LedgerTable"),
        ("OrderFunction", "WithdrawalTable"),
        ("WithdrawalReviewFunction", "LedgerTable"),
        ("WithdrawalReviewFunction", "WithdrawalTable"),
        ("WithdrawalReviewFunction", "StaffTable"),
        ("ReferralFunction", "LedgerTable"),
        ("LoginFunction", "LedgerTable"),
        ("CatalogueFunction", "OrderTable"),
        ("CommissionFunction", "MemberTable"),
        ("CommissionFunction", "RuleTable"),
        ("AuthorizerFunction", "MemberTable"),
        ("AuthorizerFunction", "StaffTable"),
        ("StaffAdminFunction", "MemberTable"),
        ("WorkflowDispatchFunction", "WithdrawalTable"),
        ("WechatMessageFunction", "LedgerTable"),
        ("DocumentationFunction", "OrderTable"),
    ],
)
def test_function_cannot_write_where_it_has_nothing_to_write(world: World, function: str, table: str) -> None:
    assert write(world, function, table) == "AccessDeniedException"


@pytest.mark.parametrize(
    ("function", "table"),
    [
        ("WalletFunction", "OrderTable"),
        ("WalletFunction", "WithdrawalTable"),
        ("CatalogueFunction", "MemberTable"),
        ("OrderFunction", "StaffTable"),
        ("LoginFunction", "OrderTable"),
        ("ReferralFunction", "StaffTable"),
        ("WithdrawalFunction", "StaffTable"),
        ("LedgerProjectionFunction", "MemberTable"),
        ("DocumentationFunction", "StatementTable"),
        ("WechatMessageFunction", "MemberTable"),
    ],
)
def test_function_cannot_read_what_it_does_not_need(world: World, function: str, table: str) -> None:
    assert read(world, function, table) == "AccessDeniedException"


def test_function_reaches_what_it_uses(world: World) -> None:
    """The other side: what is denied above is denied by the policy, and not because the role can do nothing."""
    assert read(world, "WalletFunction", "MemberTable") == "ok"
    assert write(world, "CatalogueFunction", "CatalogueTable") == "ConditionalCheckFailedException"
    assert write(world, "LoginFunction", "MemberTable") == "ConditionalCheckFailedException"


@pytest.mark.parametrize("function", ["WalletFunction", "CatalogueFunction", "RuleFunction", "CommissionFunction"])
def test_function_that_needs_no_secret_cannot_read_one(world: World, function: str) -> None:
    client: Any = world.stack.client("cloudformation")
    (stack,) = client.describe_stacks(StackName=world.stack.stack_name)["Stacks"]
    arns = [one["ParameterValue"] for one in stack["Parameters"] if one["ParameterKey"].endswith("SecretArn")]
    assert len(arns) == 2
    secrets_manager = client_as(world, function, "secretsmanager")
    assert {outcome(secrets_manager.get_secret_value, SecretId=arn) for arn in arns} == {"AccessDeniedException"}


@pytest.mark.parametrize("function", ["WithdrawalFunction", "OrderFunction", "PaymentNotificationFunction"])
def test_http_function_cannot_steer_the_state_machines(world: World, function: str) -> None:
    machine = world.resources["WithdrawalMachine"]
    steps = client_as(world, function, "stepfunctions")
    assert outcome(steps.start_execution, stateMachineArn=machine, input="{}") == "AccessDeniedException"
    assert outcome(steps.send_task_success, taskToken="t", output="{}") == "AccessDeniedException"
