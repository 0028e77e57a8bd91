"""The HTTP server: the route table, authentication, the API knobs, and what turns refusals into answers."""

import logging
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from urllib.parse import parse_qsl, unquote, urlsplit

from . import bills, controls, miniprogram, pay, refunds, shipping, transfers
from .clock import epoch
from .exchange import ApiError, Face, JsonObject, MiniProgramError, Request, Response, answer_error, answer_json
from .fields import FieldError
from .knobs import Fault, take_fault
from .page import show_page
from .sandbox import Sandbox
from .verification import verify

MAX_BODY_BYTES = 1024 * 1024
_IDLE_SECONDS = 60
_BACKLOG = 128
_LOG = logging.getLogger("wechat_sandbox")

type Handler = Callable[[Sandbox, Request], Response]


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a path template such as `/_transfers/{out_bill_no}/confirm`, and who answers it."""

    method: str
    template: str
    face: Face
    handler: Handler

    def pattern(self) -> re.Pattern[str]:
        """Return the expression that matches the template's paths; a parameter is one path segment."""
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.template)))


_TRANSFERS = "/v3/fund-app/mch-transfer/transfer-bills"

ROUTES = (
    Route("GET", "/sns/jscode2session", Face.MINI_PROGRAM, miniprogram.code_to_session),
    Route("GET", "/cgi-bin/token", Face.MINI_PROGRAM, miniprogram.plain_token),
    Route("POST", "/cgi-bin/stable_token", Face.MINI_PROGRAM, miniprogram.stable_token),
    Route("POST", "/wxa/business/getuserphonenumber", Face.MINI_PROGRAM_TOKEN, miniprogram.phone_number),
    Route("POST", "/wxa/msg_sec_check", Face.MINI_PROGRAM_TOKEN, miniprogram.check_content),
    Route("POST", "/wxa/getwxacodeunlimit", Face.MINI_PROGRAM_TOKEN, miniprogram.mini_program_code),
    Route("POST", "/wxa/sec/order/upload_shipping_info", Face.MINI_PROGRAM_TOKEN, shipping.upload_shipping_info),
    Route("POST", "/wxa/sec/order/get_order", Face.MINI_PROGRAM_TOKEN, shipping.get_order),
    Route("POST", "/v3/pay/transactions/jsapi", Face.PAY, pay.create_prepay),
    Route("GET", "/v3/pay/transactions/out-trade-no/{out_trade_no}", Face.PAY, pay.query_by_number),
    Route("GET", "/v3/pay/transactions/id/{transaction_id}", Face.PAY, pay.query_by_transaction),
    Route("POST", "/v3/pay/transactions/out-trade-no/{out_trade_no}/close", Face.PAY, pay.close),
    Route("POST", "/v3/refund/domestic/refunds", Face.PAY, refunds.create_refund),
    Route("GET", "/v3/refund/domestic/refunds/{out_refund_no}", Face.PAY, refunds.query_refund),
    Route("POST", _TRANSFERS, Face.PAY, transfers.create_transfer),
    Route("GET", _TRANSFERS + "/out-bill-no/{out_bill_no}", Face.PAY, transfers.query_transfer),
    Route("POST", _TRANSFERS + "/out-bill-no/{out_bill_no}/cancel", Face.PAY, transfers.cancel_transfer),
    Route("GET", "/v3/bill/tradebill", Face.PAY, bills.ask_trade_bill),
    Route("GET", "/v3/bill/fundflowbill", Face.PAY, bills.ask_fund_flow_bill),
    Route("GET", "/v3/billdownload/file", Face.PAY_FILE, bills.download),
    Route("GET", "/", Face.CONTROL, show_page),
    Route("PUT", "/_config", Face.CONTROL, controls.configure),
    Route("GET", "/_knobs", Face.CONTROL, controls.show_knobs),
    Route("PUT", "/_knobs", Face.CONTROL, controls.set_knobs),
    Route("POST", "/_reset_knobs", Face.CONTROL, controls.reset_knobs),
    Route("GET", "/_clock", Face.CONTROL, controls.show_clock),
    Route("POST", "/_clock/advance", Face.WAITING_CONTROL, controls.advance_clock),
    Route("POST", "/_users", Face.CONTROL, controls.make_user),
    Route("POST", "/_login_codes", Face.CONTROL, controls.make_login_code),
    Route("POST", "/_phone_codes", Face.CONTROL, controls.make_phone_code),
    Route("POST", "/_pay", Face.CONTROL, controls.play_payment),
    Route("POST", "/_transfers/{out_bill_no}/confirm", Face.CONTROL, controls.confirm_transfer),
    Route("POST", "/_transfers/{out_bill_no}/finish", Face.CONTROL, controls.finish_transfer),
    Route("POST", "/_refunds/{out_refund_no}/finish", Face.CONTROL, controls.finish_refund),
    Route("POST", "/_orders/{out_trade_no}/settle", Face.CONTROL, controls.settle_order),
    Route("POST", "/_notifications/{id}/redeliver", Face.WAITING_CONTROL, controls.redeliver),
    Route("POST", "/_forge", Face.WAITING_CONTROL, controls.deliver_forgery),
    Route("GET", "/_state", Face.CONTROL, controls.show_state),
    Route("GET", "/_wait", Face.WAITING_CONTROL, controls.wait_idle),
)
_PATTERNS = tuple((route, route.pattern()) for route in ROUTES)
_CONTROLS = (Face.CONTROL, Face.WAITING_CONTROL)
_PAY = (Face.PAY, Face.PAY_FILE)


def answer(sandbox: Sandbox, request: Request) -> Response | None:
    """Return the answer to a request, or nothing if the knobs want its connection closed without one."""
    found = _find_route(request)
    if found is None:
        return answer_error(ApiError(404, "NOT_FOUND", f"沙箱没有 {request.method} {request.path}"))
    route, request = found
    if route.face in _CONTROLS:
        return _run(sandbox, route, request)
    with sandbox.lock:
        failure = take_fault(sandbox.knobs.fail_next, request)
        slow_seconds = sandbox.knobs.slow_seconds
    if slow_seconds:
        time.sleep(slow_seconds)
    response = _run(sandbox, route, request) if failure is None else _failure_answer(route.face, failure)
    with sandbox.lock:
        lost = failure is None and take_fault(sandbox.knobs.lose_answer, request) is not None
    if lost:
        return None
    return _signed(sandbox, response) if route.face is Face.PAY else response


def _find_route(request: Request) -> tuple[Route, Request] | None:
    for route, pattern in _PATTERNS:
        match = pattern.fullmatch(request.path)
        if match is not None and route.method == request.method:
            return route, replace(
                request, parameters={name: unquote(value) for name, value in match.groupdict().items()}
            )
    return None


def _run(sandbox: Sandbox, route: Route, request: Request) -> Response:
    try:
        if route.face in _PAY:
            verify(sandbox, request)
        if route.face is Face.WAITING_CONTROL:
            return route.handler(sandbox, request)
        with sandbox.lock:
            if route.face is Face.MINI_PROGRAM_TOKEN:
                miniprogram.check_token(sandbox, request)
            return route.handler(sandbox, request)
    except ApiError as error:
        return answer_error(error)
    except MiniProgramError as error:
        return answer_json({"errcode": error.errcode, "errmsg": error.errmsg})
    except FieldError as error:
        return _field_answer(route.face, error)
    except Exception:  # noqa: BLE001 - the last line: logged with its trace, and answered as WeChat would
        _LOG.exception("%s %s failed", request.method, request.path)
        return answer_error(ApiError(500, "SYSTEM_ERROR", "系统异常，请稍后重试"))


def _field_answer(face: Face, error: FieldError) -> Response:
    if face in (Face.MINI_PROGRAM, Face.MINI_PROGRAM_TOKEN):
        return answer_json({"errcode": 47001, "errmsg": f"data format error: {error}"})
    detail: JsonObject = {"field": error.field, "issue": error.issue, "location": "body"}
    return answer_error(ApiError(400, "PARAM_ERROR", f"参数错误：{error}", detail))


def _failure_answer(face: Face, fault: Fault) -> Response:
    message = "沙箱按设置拒绝了这次调用"
    if face in _PAY:
        return answer_error(ApiError(fault.status, fault.code, message))
    errcode = int(fault.code) if fault.code.lstrip("-").isdigit() else -1
    return answer_json({"errcode": errcode, "errmsg": message}, fault.status)


def _signed(sandbox: Sandbox, response: Response) -> Response:
    headers = sandbox.keyring.platform_headers(response.body, epoch(sandbox.clock.wall()))
    return replace(response, content_type="application/json", headers={**response.headers, **headers})


class SandboxServer(ThreadingHTTPServer):
    """The listening server; it binds the loopback address only."""

    daemon_threads = True
    request_queue_size = _BACKLOG

    def __init__(self, sandbox: Sandbox, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _ConnectionHandler)
        self.sandbox = sandbox
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Report what went wrong in a connection, but not that the other side hung up."""
        if not isinstance(sys.exception(), ConnectionError):
            _LOG.exception("connection from %s failed", client_address)
        del request


class _ConnectionHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one write per answer: without a buffer, Nagle and delayed ACKs cost 40 ms each
    timeout = _IDLE_SECONDS
    server: SandboxServer

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Stay quiet: the page shows what happened."""

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            return
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            target=self.path,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
        )
        response = answer(self.server.sandbox, request)
        if response is None:
            self.close_connection = True
            self.connection.shutdown(SHUT_RDWR)
        else:
            self._send(response)

    def _read_body(self) -> bytes | None:
        """Return the body, or nothing after having refused one without a length or above the limit."""
        length = self.headers.get("Content-Length", "0")
        chunked = "Transfer-Encoding" in self.headers
        if not chunked and length.isdecimal() and int(length) <= MAX_BODY_BYTES:
            return self.rfile.read(int(length))
        self.close_connection = True  # the rest of the connection is that body, which nobody will read
        status = 411 if chunked or not length.isdecimal() else 413
        self._send(answer_error(ApiError(status, "PARAM_ERROR", f"请求体须带长度且不超过 {MAX_BODY_BYTES} 字节")))
        return None

    def _send(self, response: Response) -> None:
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, value)
        if response.status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Type", response.content_type)
            self.send_header("Content-Length", str(len(response.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(response.body)
