"""botocore clients, made once per process with time-outs and bounded retries.

botocore without boto3's resource layer: the same clients, a fifth less to import.
"""

import os
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config

_CONFIG = Config(
    connect_timeout=1,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,
)


@cache
def client(service: str) -> Any:
    """Return the process's client of an AWS service; botocore makes its methods at run time."""
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return _session().create_client(service, region_name=region, config=_CONFIG)


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()
