"""MiniStack as a child process: its AWS APIs on one loopback port, with state that ends with it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import boto3
from botocore.client import BaseClient

from infra.local.processes import LOOPBACK, Process, free_port, is_listening, start, stop, wait_for_silence, wait_until

ROOT = Path(__file__).resolve().parents[2]
MINISTACK_BIN = ROOT / ".local" / "ministack-venv" / "bin"
LAMBDA_PYTHON = ROOT / ".local" / "lambda-venv" / "bin" / "python"
REGION = "us-east-1"
# With AUTH=true MiniStack checks everybody's policies but those of its root caller, whose key this is.
ROOT_KEY = "test"
START_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running MiniStack. Its log and the functions' are `ministack.log` and `functions.log` in `logs`."""

    process: Process
    port: int
    logs: Path

    @property
    def endpoint_url(self) -> str:
        """The one address of every AWS API."""
        return f"http://{LOOPBACK}:{self.port}"

    def client_environment(self) -> dict[str, str]:
        """What a program needs in its environment to speak to this MiniStack as root, and to nothing else."""
        return {
            "AWS_ACCESS_KEY_ID": ROOT_KEY,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_SECRET_ACCESS_KEY": ROOT_KEY,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str) -> BaseClient:
        """A boto3 client of this MiniStack as root."""
        return client_of(service, self.endpoint_url)

    def stop(self) -> None:
        """End MiniStack and with it the functions' processes; return when its port is free."""
        stop(self.process)
        wait_for_silence([self.port])


def client_of(service: str, endpoint_url: str) -> BaseClient:
    """A boto3 client, as root, of the MiniStack at an address; the developer's own configuration plays no part."""
    return boto3.client(
        service,
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=ROOT_KEY,
        aws_secret_access_key=ROOT_KEY,
    )


def start_emulator(directory: Path, logs: Path) -> Emulator:
    """Start MiniStack with its files in `directory`, which is emptied first.

    Raises:
        StackError: it did not start.
    """
    shutil.rmtree(directory, ignore_errors=True)
    for name in ("home", "s3", "state", "tmp"):
        (directory / name).mkdir(parents=True)
    port = free_port()
    # Functions inherit this environment, so it holds nothing of the developer's own.
    environment = {
        "AUTH": "true",
        "AWS_ACCESS_KEY_ID": ROOT_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "BIND_HOST": LOOPBACK,
        "FUNCTION_LOG_FILE": str(logs / "functions.log"),
        "FUNCTION_PYTHON": str(LAMBDA_PYTHON),
        "GATEWAY_PORT": str(port),
        "HOME": str(directory / "home"),
        "IOT_MTLS_ENABLED": "0",
        "LANG": "C.UTF-8",
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_REGION": REGION,
        "PATH": os.defpath,
        "S3_DATA_DIR": str(directory / "s3"),
        "STATE_DIR": str(directory / "state"),
        "TMPDIR": str(directory / "tmp"),
        "TZ": "UTC",
    }
    (logs / "functions.log").unlink(missing_ok=True)
    log = logs / "ministack.log"
    command = [str(MINISTACK_BIN / "python"), "-m", "infra.local.ministack"]
    emulator = Emulator(start(command, log, environment, ROOT), port, logs)
    try:
        wait_until(lambda: is_listening(port), emulator.process, log, "MiniStack", START_TIMEOUT_SECONDS)
    except BaseException:
        stop(emulator.process)
        raise
    return emulator
