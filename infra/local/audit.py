"""Audit the books of a stack: `python -m infra.local.audit [--month 2026-10] [--as-of 2026-11-01T00:00:00+08:00]`.

Without `--aws STACK` the embedded stack that runs is meant. Everything is folded and compared by the function that also
runs every night; the exit code is 0 only if nothing differs.
"""

import argparse
import json
import sys
from typing import Any

import boto3
from botocore.client import BaseClient
from botocore.config import Config

from fenxiao.money import yuan
from infra.local.stack import read

_READ_TIMEOUT_SECONDS = 910
"""A little longer than the function may run."""


def audit(cloudformation: BaseClient, functions: BaseClient, stack_name: str, scope: dict[str, str]) -> Any:
    """Let the stack's audit run, and return its report.

    Raises:
        RuntimeError: the function failed, or refused the scope.
    """
    (stack,) = cloudformation.describe_stacks(StackName=stack_name)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
    event = json.dumps({"scope": scope}).encode()
    answer = functions.invoke(FunctionName=outputs["AuditFunctionName"], Payload=event)
    report = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise RuntimeError(report.get("errorMessage", report))
    return report


def show(report: Any) -> None:
    """Print a report for people."""
    counts, figures = report["counts"], report["figures"]
    print(f"{'  '.join(f'{name} {number}' for name, number in counts.items())}")
    for name, fen in figures.items():
        print(f"  {name.removesuffix('_fen'):<14}{yuan(fen):>16}")
    for one in report["differences"]:
        print(f"  ✗ {one['subject']} {one['what']}: expected {one['expected']}, is {one['actual']}")
    print("everything agrees" if not report["difference_count"] else f"{report['difference_count']} differences")


def main() -> int:
    """Audit the stack that the command line means; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.audit", description=__doc__)
    parser.add_argument("--aws", metavar="STACK", help="a stack on AWS, with the credentials of the environment")
    parser.add_argument("--month", help="only what was paid in this Shanghai month, YYYY-MM")
    parser.add_argument("--as-of", help="only what the books had learned by then, RFC 3339")
    arguments = parser.parse_args()
    scope = {"month": arguments.month, "as_of": arguments.as_of}
    scope = {name: value for name, value in scope.items() if value}
    patient = Config(read_timeout=_READ_TIMEOUT_SECONDS, retries={"total_max_attempts": 1})
    local = read()
    if arguments.aws:
        clients = boto3.client("cloudformation"), boto3.client("lambda", config=patient)
        report = audit(*clients, arguments.aws, scope)
    elif local:
        report = audit(local.client("cloudformation"), local.client("lambda"), local.stack_name, scope)
    else:
        print("no stack runs: `make run` starts one", file=sys.stderr)
        return 1
    show(report)
    return 1 if report["difference_count"] else 0


if __name__ == "__main__":
    sys.exit(main())
