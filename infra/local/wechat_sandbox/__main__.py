"""Run the sandbox: `python -m infra.local.wechat_sandbox --config FILE`."""

import argparse
import json
import logging
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

from .fields import Fields, parse_object
from .keys import generate
from .sandbox import Sandbox
from .server import SandboxServer
from .signing import Keyring

_MAX_PATH_CHARACTERS = 4096


@dataclass(frozen=True, slots=True)
class Config:
    """The configuration file: where the keys are, which port (0 for a free one), and where to write the URL."""

    keys_directory: Path
    port: int
    port_file: Path


def read_config(path: Path) -> Config:
    """Return the configuration.

    Raises:
        FieldError: a field is missing or wrong.
    """
    fields: Fields = parse_object(path.read_bytes())
    return Config(
        keys_directory=Path(fields.text("keys_directory", _MAX_PATH_CHARACTERS)),
        port=fields.integer("port", 0, 65535),
        port_file=Path(fields.text("port_file", _MAX_PATH_CHARACTERS)),
    )


def main() -> None:
    """Serve until interrupted or terminated."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parser = argparse.ArgumentParser(prog="wechat_sandbox", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    config = read_config(parser.parse_args().config)
    sandbox = Sandbox(Keyring(generate(config.keys_directory)))
    server = SandboxServer(sandbox, config.port)
    sandbox.notifier.start()
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2})
    serving.start()
    announcement = json.dumps({"sandbox_url": server.url})
    _write(config.port_file, announcement)
    print(announcement, flush=True)
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    server.shutdown()
    serving.join()
    sandbox.notifier.stop()
    server.server_close()


def _write(path: Path, text: str) -> None:
    """Write the file in one step, so that whoever waits for it never reads half of it."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
