"""What the launcher repairs in MiniStack's CloudFormation of tables."""

from tests.canary.conftest import Canary


def test_time_to_live_of_the_template_is_kept(canary: Canary) -> None:
    answer = canary.emulator.client("dynamodb").describe_time_to_live(TableName=canary.outputs["TableName"])

    assert answer["TimeToLiveDescription"] == {"AttributeName": "expires_at", "TimeToLiveStatus": "ENABLED"}
