"""Send parked records again to the functions that parked them: `python -m infra.local.redrive [--aws STACK]`.

Without `--aws` the embedded stack that runs is meant. A record that fails in the same way is parked anew by its
function, so a message is removed once its function has taken it.
"""

import argparse
import json
import sys
from collections.abc import Callable

import boto3
from botocore.client import BaseClient

from infra.local.stack import read

BATCH_SIZE = 10
MAX_MESSAGES = 10_000


def messages_in(sqs: BaseClient, queue_url: str) -> list[dict[str, str]]:
    """What the queue holds now, hidden from others for its visibility time."""
    found: list[dict[str, str]] = []
    while len(found) < MAX_MESSAGES:
        # A long poll asks all of the queue's servers; a short one may miss what is there.
        answer = sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=BATCH_SIZE, WaitTimeSeconds=1)
        batch = answer.get("Messages", [])
        if not batch:
            break
        found += batch
    return found


def send_again(functions: BaseClient, body: str) -> bool:
    """Hand a parked record to its function; whether the function took it."""
    parked = json.loads(body)
    event = json.dumps({"Records": [parked["record"]]}).encode()
    answer = functions.invoke(FunctionName=parked["function"], Payload=event)
    return "FunctionError" not in answer


def redrive(client: Callable[[str], BaseClient], stack_name: str) -> int:
    """Send every parked record of a stack again; how many were not taken and stay parked."""
    (stack,) = client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    sqs, functions, failed = client("sqs"), client("lambda"), 0
    for queue_url in outputs["ParkedQueueUrls"].split(","):
        messages = messages_in(sqs, queue_url)
        for message in messages:
            if send_again(functions, message["Body"]):
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            else:
                failed += 1
        print(f"{queue_url.rpartition('/')[2]}: {len(messages)} sent again")
    return failed


def main() -> int:
    """Redrive the stack that the command line means; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.redrive", description=__doc__)
    parser.add_argument("--aws", metavar="STACK", help="a stack on AWS, with the credentials of the environment")
    stack_on_aws = parser.parse_args().aws
    local = read()
    if stack_on_aws:
        failed = redrive(boto3.client, stack_on_aws)
    elif local:
        failed = redrive(local.client, local.stack_name)
    else:
        print("no stack runs: `make run` starts one", file=sys.stderr)
        return 1
    if failed:
        print(f"{failed} were not taken and stay parked", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
