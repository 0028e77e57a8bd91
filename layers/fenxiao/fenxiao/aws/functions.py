"""Lambda: let another function do something later."""

import json
from collections.abc import Mapping

from fenxiao.aws.clients import client


def invoke_later(function_name: str, payload: Mapping[str, object]) -> None:
    """Queue an asynchronous invocation; Lambda keeps it and tries a failed one twice more."""
    client("lambda").invoke(FunctionName=function_name, InvocationType="Event", Payload=json.dumps(payload).encode())
