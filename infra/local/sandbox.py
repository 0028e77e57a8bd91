"""The WeChat sandbox as a child process, and the secrets with which a deployment meets it."""

import base64
import json
import os
import secrets
import sys
from dataclasses import dataclass
from pathlib import Path

from infra.local.api_client import send
from infra.local.emulator import ROOT, Emulator
from infra.local.processes import Process, start, stop, wait_until
from infra.local.wechat_sandbox.keys import generate

START_TIMEOUT_SECONDS = 30.0
KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running WeChat sandbox; its keys are in a file of `keys_directory`."""

    process: Process
    url: str
    keys_directory: Path

    def configure(self, api_url: str, emulator: Emulator, scheduled_functions: list[str]) -> None:
        """Tell it where notifications go, and what to run when the clock is moved."""
        settings = {
            "api_url": api_url,
            "lambda_endpoint": emulator.endpoint_url,
            "scheduled_functions": scheduled_functions,
        }
        send("PUT", f"{self.url}/_config", settings)

    def stop(self) -> None:
        """End it."""
        stop(self.process)


def start_sandbox(directory: Path, logs: Path) -> Sandbox:
    """Start the sandbox on a free port; its keys stay in `directory` for the next start.

    Raises:
        StackError: it did not start.
    """
    directory.mkdir(parents=True, exist_ok=True)
    keys_directory, port_file, config = directory / "keys", directory / "port.json", directory / "config.json"
    port_file.unlink(missing_ok=True)
    config.write_text(
        json.dumps({"keys_directory": str(keys_directory), "port": 0, "port_file": str(port_file)}), encoding="utf-8"
    )
    log = logs / "sandbox.log"
    command = [sys.executable, "-m", "infra.local.wechat_sandbox", "--config", str(config)]
    process = start(command, log, os.environ, ROOT)
    try:
        wait_until(port_file.exists, process, log, "the WeChat sandbox", START_TIMEOUT_SECONDS)
    except BaseException:
        stop(process)
        raise
    url = json.loads(port_file.read_text(encoding="utf-8"))["sandbox_url"]
    return Sandbox(process, url, keys_directory)


def create_secrets(emulator: Emulator, sandbox: Sandbox, stack_name: str) -> dict[str, str]:
    """Put the sandbox's merchant and fresh token keys into Secrets Manager.

    Returns the secrets' ARNs as the template's parameters.
    """
    tokens = {"signing_key": random_key(), "identity_key": random_key()}
    return {
        "WeChatSecretArn": create_secret(emulator, f"fenxiao/{stack_name}/wechat", merchant_secret(sandbox)),
        "TokenSecretArn": create_secret(emulator, f"fenxiao/{stack_name}/tokens", tokens),
    }


def merchant_secret(sandbox: Sandbox) -> dict[str, str]:
    """What a merchant knows of itself and of WeChat."""
    keys = generate(sandbox.keys_directory)
    return {
        "appid": keys.appid,
        "mchid": keys.mchid,
        "app_secret": keys.app_secret,
        "api_v3_key": keys.apiv3_key,
        "merchant_private_key": keys.merchant_private_key,
        "merchant_cert_serial": keys.merchant_serial,
        "platform_public_key": keys.platform_public_key,
        "platform_public_key_id": keys.platform_public_key_id,
        "message_token": keys.message_token,
        "message_aes_key": keys.encoding_aes_key,
    }


def random_key() -> str:
    """A fresh key in base64."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def create_secret(emulator: Emulator, name: str, content: dict[str, str]) -> str:
    """Store a secret as JSON and return its ARN."""
    answer = emulator.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(content))
    return str(answer["ARN"])
