"""`sam build` and `sam deploy`, the same tools as for AWS, towards a running MiniStack."""

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

from infra.local.emulator import MINISTACK_BIN, REGION, ROOT, Emulator
from infra.local.processes import Say, run

ARTIFACTS_BUCKET = "deployment-artifacts"
AWS_API_URL = re.compile(r"https://(?P<api_id>[a-z0-9]+)\.execute-api\.[^/]+/(?P<stage>[^/]+)/?")
# The layers that AWS would get where functions run on a Linux; elsewhere the machine's own builds of the same versions.
ARCHITECTURES = {("Linux", "x86_64"): "x86_64", ("Linux", "aarch64"): "arm64"}


def sam_environment() -> dict[str, str]:
    """The environment of every `sam` command: the layers' makefiles find their Python and architecture in it."""
    return {
        **os.environ,
        "ARCHITECTURE": ARCHITECTURES.get((platform.system(), platform.machine()), "native"),
        "PATH": f"{MINISTACK_BIN}{os.pathsep}{os.environ['PATH']}",
        "PYTHON": str(MINISTACK_BIN / "python"),
        "SAM_CLI_POLL_DELAY": "0.1",
        "SAM_CLI_TELEMETRY": "0",
    }


def build(template: Path, directory: Path, logs: Path, say: Say) -> Path:
    """Build every function and layer of a template below `directory`, what did not change from its cache.

    Returns the built template.

    Raises:
        StackError: the build failed.
    """
    command = [str(MINISTACK_BIN / "sam"), "build", "--template-file", str(template), "--cached", "--parallel"]
    command += ["--build-dir", str(directory / "build"), "--cache-dir", str(directory / "cache"), "--no-beta-features"]
    run("building functions and layers", command, logs / "build.log", sam_environment(), ROOT, say)
    return directory / "build" / "template.yaml"


def deploy(
    emulator: Emulator, built_template: Path, stack_name: str, parameters: Mapping[str, str], say: Say
) -> dict[str, str]:
    """Deploy a built template and return the stack's outputs, with the addresses under which MiniStack serves APIs.

    Raises:
        StackError: the deployment failed.
    """
    emulator.client("s3").create_bucket(Bucket=ARTIFACTS_BUCKET)
    command = [str(MINISTACK_BIN / "sam"), "deploy", "--template-file", str(built_template), "--stack-name", stack_name]
    command += ["--s3-bucket", ARTIFACTS_BUCKET, "--region", REGION, "--no-progressbar", "--no-confirm-changeset"]
    command += ["--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"]
    if parameters:
        command += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
    environment = {**sam_environment(), **emulator.client_environment()}
    # Away from the root, where `sam deploy --guided` may have saved what is meant for AWS.
    run("deploying", command, emulator.logs / "deploy.log", environment, built_template.parent, say)
    return outputs(emulator, stack_name)


def outputs(emulator: Emulator, stack_name: str) -> dict[str, str]:
    """The stack's outputs, each address of an API as the one under which MiniStack serves it."""
    (stack,) = emulator.client("cloudformation").describe_stacks(StackName=stack_name)["Stacks"]
    return {
        output["OutputKey"]: AWS_API_URL.sub(
            rf"{emulator.endpoint_url}/_aws/execute-api/\g<api_id>/\g<stage>", output["OutputValue"]
        )
        for output in stack.get("Outputs", [])
    }
