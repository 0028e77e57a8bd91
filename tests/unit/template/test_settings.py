"""Parameters, tables, queues and schedules: what must hold of every one of them."""

import re

import pytest

from tests.unit.template.resources import data, functions, of_type, stream_consumers

FORTNIGHT_SECONDS = 14 * 24 * 3600


def pattern(parameter: str) -> re.Pattern[str]:
    return re.compile(data()["Parameters"][parameter]["AllowedPattern"])


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:8080"])
def test_test_clock_may_be_off_or_on_the_loopback(url: str) -> None:
    assert pattern("TestClockUrl").fullmatch(url)
    assert data()["Parameters"]["TestClockUrl"]["Default"] == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:80/x",
        "http://127.0.0.1:80@example.com",
        "http://127.0.0.10:80",
        "http://127x0.0.1:80",
        "http://localhost:80",
        "http://10.0.0.1:80",
        "https://127.0.0.1:80",
        "https://example.com",
        "x http://127.0.0.1:80",
        "http://127.0.0.1:80\nhttp://example.com",
    ],
)
def test_test_clock_is_never_elsewhere(url: str) -> None:
    assert not pattern("TestClockUrl").search(url)


def test_levels_can_only_be_lowered() -> None:
    assert data()["Parameters"]["MaxLevels"]["AllowedValues"] == [1, 2, 3]
    assert data()["Parameters"]["MaxLevels"]["Default"] == 3


@pytest.mark.parametrize("url", ["https://shop.example.com", "https://shop.example.com/v1"])
def test_public_address_is_https(url: str) -> None:
    assert pattern("PublicBaseUrl").search(url)
    assert "Default" not in data()["Parameters"]["PublicBaseUrl"]


@pytest.mark.parametrize(
    "url",
    ["http://shop.example.com", "https://", "https://shop.example.com/", "https://shop.example.com?a=b", "shop", ""],
)
def test_public_address_is_nothing_else(url: str) -> None:
    assert not pattern("PublicBaseUrl").search(url)


def test_every_parameter_is_used_and_explained() -> None:
    text = repr([data().get(part) for part in ("Globals", "Resources", "Conditions", "Outputs")])
    for name, parameter in data()["Parameters"].items():
        assert re.search(rf"\b{name}\b", text), name
        assert parameter["Description"]


def test_schedules_are_in_utc() -> None:
    schedules = [event for one in functions() for event in one.events.values() if event["Type"].startswith("Schedule")]
    assert schedules
    for event in schedules:
        assert event["Type"] == "ScheduleV2"
        assert not {name for name in event["Properties"] if "zone" in name.lower()}
        assert re.fullmatch(r"(rate|cron)\([^)]+\)", event["Properties"]["ScheduleExpression"])


def test_every_scheduled_function_follows_a_moved_test_clock() -> None:
    scheduled = {
        one.logical_id for one in functions() if any(event["Type"] == "ScheduleV2" for event in one.events.values())
    }
    named = data()["Outputs"]["ScheduledFunctionNames"]["Value"][1]
    assert sorted(named) == sorted(scheduled)


def test_every_stream_consumer_parks_in_a_queue_of_its_own() -> None:
    consumers = stream_consumers()
    assert consumers
    queues = [one.environment["PARKED_QUEUE_URL"] for one in consumers]
    assert sorted(queues) == sorted(of_type("AWS::SQS::Queue"))
    assert sorted(data()["Outputs"]["ParkedQueueUrls"]["Value"][1]) == sorted(queues)
    for one, queue in zip(consumers, queues, strict=True):
        senders = [
            other.logical_id
            for other in functions()
            if any(s["Action"] == "sqs:SendMessage" and s["Resource"] == f"{queue}.Arn" for s in other.statements)
        ]
        assert senders == [one.logical_id]


def test_parked_records_are_encrypted_and_kept_for_a_fortnight() -> None:
    for name, queue in of_type("AWS::SQS::Queue").items():
        assert queue == {"MessageRetentionPeriod": FORTNIGHT_SECONDS, "SqsManagedSseEnabled": True}, name


def test_every_parked_record_alarms() -> None:
    alarms = of_type("AWS::CloudWatch::Alarm").values()
    watched = {}
    for alarm in alarms:
        if alarm["Namespace"] == "AWS/SQS":
            assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
            assert (alarm["Threshold"], alarm["ComparisonOperator"]) == (0, "GreaterThanThreshold")
            assert alarm["AlarmActions"] == ["HasAlarmTopic", ["AlarmTopicArn"], []]
            watched[alarm["Dimensions"][0]["Value"].removesuffix(".QueueName")] = alarm
    assert watched.keys() == of_type("AWS::SQS::Queue").keys()


def test_batches_leave_room_for_their_wallets_in_one_transaction() -> None:
    for one in stream_consumers():
        for event in one.events.values():
            assert event["Properties"]["BatchSize"] <= 90
            assert event["Properties"]["StartingPosition"] == "TRIM_HORIZON"


def test_tables_are_kept_encrypted_and_restorable() -> None:
    tables = of_type("AWS::DynamoDB::Table")
    assert tables
    for name, table in tables.items():
        assert table["SSESpecification"] == {"SSEEnabled": True}, name
        assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}, name
        assert table["BillingMode"] == "PAY_PER_REQUEST", name
        resource = data()["Resources"][name]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Retain", "Retain"), name


def test_buckets_are_private_encrypted_and_reached_by_tls_alone() -> None:
    buckets = of_type("AWS::S3::Bucket")
    assert buckets
    for name, bucket in buckets.items():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}, name
        assert len(bucket["PublicAccessBlockConfiguration"]) == 4, name
        assert all(bucket["PublicAccessBlockConfiguration"].values()), name
        (policy,) = [one for one in of_type("AWS::S3::BucketPolicy").values() if one["Bucket"] == name]
        denials = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [f"{name}.Arn", f"${{{name}.Arn}}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        assert repr(denials) in repr(policy["PolicyDocument"]["Statement"]), name


def test_every_table_has_its_variable() -> None:
    variables = data()["Globals"]["Function"]["Environment"]["Variables"]
    tables = {name: table for name, table in variables.items() if name.endswith("_TABLE")}
    assert sorted(tables.values()) == sorted(of_type("AWS::DynamoDB::Table"))


def test_functions_that_speak_to_wechat_have_its_layer() -> None:
    for one in functions():
        layers = one.properties.get("Layers", [])
        assert ("WechatLayer" in layers) == ("WECHAT_SECRET_ARN" in one.environment), one.folder
