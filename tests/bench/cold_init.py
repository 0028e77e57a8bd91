"""`cold_init_ratio`: a cold start's import and first client, against a bare boto3 client, interleaved in one run."""

import compileall
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from infra.local.emulator import ROOT
from tests.bench.built import Bundle, bundles

_RUNS: Final = 25
_SITE: Final = str(next((ROOT / ".local" / "lambda-venv" / "lib").glob("python3.*/site-packages")))
"""boto3 and what comes with it, as the Lambda runtime has them."""
_BARE: Final = "import boto3; boto3.client('dynamodb')"
_FUNCTION: Final = "import app; from fenxiao.aws.clients import client; client('dynamodb')"
_WECHAT: Final = (
    "import app; import time; began = time.perf_counter(); from fenxiao import wiring; "
    "import wechatpayv3, requests, cryptography.hazmat.primitives.ciphers.aead; "
    "print((time.perf_counter() - began) * 1000)"
)


def measure() -> dict[str, float]:
    """Return the ratio of the worst HTTP function, and what the first WeChat call adds, in milliseconds."""
    http = [one for one in bundles() if one.is_http]
    with tempfile.TemporaryDirectory() as folder:
        paths = {one.name: _search_path(one, Path(folder)) for one in http}
        for folder_path in (*(path[0] for path in paths.values()), _SITE):
            compileall.compile_dir(folder_path, quiet=1)
        seconds: dict[str, list[float]] = {"": [], **{name: [] for name in paths}}
        for _ in range(_RUNS):
            seconds[""].append(_run_seconds(_BARE, [_SITE]))
            for name, path in paths.items():
                seconds[name].append(_run_seconds(_FUNCTION, path))
        medians = {name: statistics.median(times) for name, times in seconds.items()}
        bare = medians.pop("")
        for name in sorted(medians, key=lambda name: medians[name]):
            print(f"  {name:<28}{medians[name] / bare:>10.3f}")
        first_call_ms = _first_wechat_call_ms(paths["PaymentNotificationFunction"])
    return {"cold_init_ratio": max(medians.values()) / bare, "first_wechat_call_ms": first_call_ms}


def _search_path(bundle: Bundle, root: Path) -> list[str]:
    """Return the search path of a function as Lambda has it: its code, then all layers unpacked into one folder."""
    opt = root / "-".join(layer.name for layer in bundle.layers)
    if not opt.exists():
        for layer in bundle.layers:
            shutil.copytree(layer / "python", opt, dirs_exist_ok=True)
    return [str(bundle.code), str(opt), _SITE]


def _run_seconds(program: str, search_path: list[str]) -> float:
    """Return the CPU time of a run: what a start costs whatever else the machine is doing."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _run(program, search_path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _run(program: str, search_path: list[str]) -> str:
    environment = {
        **os.environ,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    # The process ends at once, as Lambda's never ends in order: taking down the interpreter is no part of a start.
    whole = f"import os, sys; sys.path[:0] = {search_path!r}; {program}; sys.stdout.flush(); os._exit(0)"
    command = [sys.executable, "-I", "-S", "-c", whole]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def _first_wechat_call_ms(search_path: list[str]) -> float:
    return statistics.median(float(_run(_WECHAT, search_path)) for _ in range(5))
