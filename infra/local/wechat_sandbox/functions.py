"""Invoking the scheduled functions through the Lambda API when the clock has moved: schedules do not follow it."""

import json
import os
import uuid
from datetime import UTC, datetime

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from .exchange import JsonObject
from .notifications import Deployment

_REGION = "us-east-1"
_CONNECT_SECONDS, _READ_SECONDS = 5, 300
_MAX_PAYLOAD_BYTES = 64 * 1024


def invoke_scheduled(deployment: Deployment, now: datetime) -> list[JsonObject]:
    """Invoke each scheduled function in order, wait for it, and return what it answered or how it failed."""
    if not deployment.scheduled_functions:
        return []
    client = botocore.session.get_session().create_client(
        "lambda",
        region_name=_REGION,
        endpoint_url=deployment.lambda_endpoint,
        aws_access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", "test"),
        aws_secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", "test"),
        config=Config(
            connect_timeout=_CONNECT_SECONDS, read_timeout=_READ_SECONDS, retries={"total_max_attempts": 1}, proxies={}
        ),
    )
    try:
        return [_invoke(client, name, _event(now)) for name in deployment.scheduled_functions]
    finally:
        client.close()


def _event(now: datetime) -> bytes:
    """Return what EventBridge sends for a schedule, at the test clock's time."""
    event = {
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "000000000000",
        "time": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": _REGION,
        "resources": [],
        "detail": {},
    }
    return json.dumps(event).encode()


def _invoke(client: "botocore.client.BaseClient", name: str, event: bytes) -> JsonObject:
    try:
        answer = client.invoke(FunctionName=name, InvocationType="RequestResponse", Payload=event)
        payload = answer["Payload"].read(_MAX_PAYLOAD_BYTES).decode("utf-8", "replace")
    except (BotoCoreError, ClientError) as problem:
        return {"function_name": name, "function_error": f"{type(problem).__name__}: {problem}", "payload": None}
    return {
        "function_name": name,
        "function_error": answer.get("FunctionError"),
        "payload": _parsed(payload),
    }


def _parsed(payload: str) -> object:
    try:
        return json.loads(payload)
    except ValueError:
        return payload
