"""`handler_cpu_ratio`: CPU of a warm request against the bare botocore calls that it must make.

Both speak to the same loopback server, which answers with what DynamoDB would, so that only our side is measured.
"""

import json
import os
import runpy
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

from fenxiao.aws import clients
from fenxiao.http.api import LambdaHandler
from infra.local.emulator import ROOT
from tests.support.http import call

_ROUNDS: Final = 15
_REQUESTS: Final = 100
_ITEM: Final = {
    "pk": {"S": "wallet#M0000000000000000000000001"},
    "sk": {"S": "commission"},
    "held_fen": {"N": "1000"},
    "available_fen": {"N": "2000"},
    "reserved_fen": {"N": "0"},
    "debt_fen": {"N": "0"},
}
_SERVER: Final = """
import http.server, sys
BODY = sys.argv[1].encode()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def measure() -> dict[str, float]:
    """Return the ratio for reading a member's two wallets: one `BatchGetItem`."""
    body = json.dumps({"Responses": {"LEDGER_TABLE": [_ITEM]}, "UnprocessedKeys": {}})
    with subprocess.Popen([sys.executable, "-c", _SERVER, body], stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline()) if server.stdout else 0
            return {"handler_cpu_ratio": _ratio(port)}
        finally:
            server.terminate()


def _ratio(port: int) -> float:
    os.environ.update(
        AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_DEFAULT_REGION="us-east-1",
    )
    clients.client.cache_clear()
    try:
        bare_client = clients.client("dynamodb")
        handler = _handler()

        def bare() -> None:
            keys = [{"pk": _ITEM["pk"], "sk": {"S": tax_class}} for tax_class in ("commission", "rebate")]
            bare_client.batch_get_item(RequestItems={"LEDGER_TABLE": {"Keys": keys, "ConsistentRead": True}})

        def request() -> None:
            answer = call(handler, "GET", "/wallet", member="M0000000000000000000000001")
            assert answer.status == 200

        pairs = [(_cpu_seconds(request), _cpu_seconds(bare)) for _ in range(_ROUNDS)]
        return statistics.median(ours / theirs for ours, theirs in pairs)
    finally:
        del os.environ["AWS_ENDPOINT_URL"]
        clients.client.cache_clear()


def _cpu_seconds(work: Callable[[], None]) -> float:
    began = time.process_time()
    for _ in range(_REQUESTS):
        work()
    return time.process_time() - began


def _handler() -> LambdaHandler:
    path = ROOT / "functions" / "wallet" / "app.py"
    handler: LambdaHandler = runpy.run_path(str(path))["lambda_handler"]
    return handler
