"""Run a command that ends when the parent of this program does: `python tethered.py COMMAND …`.

The parent holds the other end of the standard input. It closes however the parent ends, so that not even a killed test
run leaves servers behind. A SIGTERM is passed on.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

GRACE_SECONDS = 8.0

type Process = subprocess.Popen[bytes]


def end_with_parent(child: Process) -> None:
    """Wait for the end of the standard input, then end the child: asked first, by force after a while."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_SECONDS)
    child.kill()


def main() -> int:
    """Run the command; its exit code."""
    child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    threading.Thread(target=end_with_parent, args=(child,), daemon=True).start()
    return abs(child.wait())


if __name__ == "__main__":
    sys.exit(main())
