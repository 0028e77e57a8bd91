"""`cold_init_ratio`: a cold start's import and first client, against a bare boto3 client, interleaved in one run."""

import compileall
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

import boto3

from tests.bench.built import Bundle, bundles

_RUNS: Final = 25
_SITE: Final = str(Path(boto3.__file__).parents[1])
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
    for one in http:
        compileall.compile_dir(one.code, quiet=1)
    compileall.compile_dir(_SITE, quiet=1, maxlevels=3)
    times: dict[str, list[float]] = {"": [], **{one.name: [] for one in http}}
    for _ in range(_RUNS):
        times[""].append(_run_seconds(_BARE, [_SITE]))
        for one in http:
            times[one.name].append(_run_seconds(_FUNCTION, _search_path(one)))
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    bare = medians.pop("")
    worst = max(medians, key=lambda name: medians[name])
    print(f"  the worst is {worst}")
    payment = next(one for one in http if one.name == "PaymentNotificationFunction")
    return {"cold_init_ratio": medians[worst] / bare, "first_wechat_call_ms": _first_wechat_call_ms(payment)}


def _search_path(bundle: Bundle) -> list[str]:
    return [*(str(layer / "python") for layer in bundle.layers), str(bundle.code), _SITE]


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


def _first_wechat_call_ms(bundle: Bundle) -> float:
    return statistics.median(float(_run(_WECHAT, _search_path(bundle))) for _ in range(5))
