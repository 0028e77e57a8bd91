"""Pay v3 merchant transfers with the payee's confirmation (`/v3/fund-app/mch-transfer/transfer-bills`)."""

from datetime import datetime, timedelta

from .clock import rfc3339
from .exchange import ApiError, JsonObject, Request, Response, answer_json
from .fields import Fields, parse_object
from .notifications import pay_notification
from .numbers import dated, fingerprint
from .sandbox import Sandbox, check_room
from .signing import nonce_text
from .state import MAX_TRANSFERS, Transfer, TransferState

SCENE_COMMISSION = "1005"
CONFIRM_WITHIN = timedelta(hours=24)
QUERY_WITHIN = timedelta(days=30)
OVERDUE = "OVERDUE_CLOSE"
_REPORT_TYPES = ("岗位类型", "报酬说明")
_NAME_FORBIDDEN_BELOW_FEN = 30
_NAME_REQUIRED_FROM_FEN = 200_000
_MAX_FEN = 100_000_000_00
_OPEN = (TransferState.ACCEPTED, TransferState.PROCESSING, TransferState.WAIT_USER_CONFIRM)
_NEXT_STATE = {
    TransferState.ACCEPTED: TransferState.PROCESSING,
    TransferState.PROCESSING: TransferState.WAIT_USER_CONFIRM,
}
_ENDS = {
    TransferState.TRANSFERING: (TransferState.SUCCESS, TransferState.FAIL),
    TransferState.CANCELING: (TransferState.CANCELLED,),
}


def create_transfer(sandbox: Sandbox, request: Request) -> Response:
    """POST …/transfer-bills: make a transfer, or return the one with this number and content."""
    wanted = _read_transfer(sandbox, parse_object(request.body), request.headers.get("wechatpay-serial", ""))
    transfer = _look(sandbox, wanted.out_bill_no)
    if transfer is None:
        transfer = _open(sandbox, wanted)
    elif transfer.fingerprint != wanted.fingerprint:
        raise ApiError(400, "INVALID_REQUEST", "商户单号已存在，且请求参数与原单据不一致")
    answer: JsonObject = {
        "out_bill_no": transfer.out_bill_no,
        "transfer_bill_no": transfer.transfer_bill_no,
        "create_time": rfc3339(transfer.created_at),
        "state": transfer.state.value,
    }
    if transfer.fail_reason:
        answer["fail_reason"] = transfer.fail_reason
    if transfer.state is TransferState.WAIT_USER_CONFIRM:
        answer["package_info"] = transfer.package_info
        if sandbox.knobs.transfer_auto_confirm:
            confirm(sandbox, transfer)
    return answer_json(answer)


def query_transfer(sandbox: Sandbox, request: Request) -> Response:
    """GET …/transfer-bills/out-bill-no/{out_bill_no}: thirty days back, and never with the package_info."""
    transfer = _existing(sandbox, request.parameters["out_bill_no"])
    if sandbox.clock.now() - transfer.created_at > QUERY_WITHIN:
        raise ApiError(404, "NOT_FOUND", "记录不存在：仅支持查询最近 30 天内的转账单")
    return answer_json(transfer_json(sandbox, transfer))


def cancel_transfer(sandbox: Sandbox, request: Request) -> Response:
    """POST …/transfer-bills/out-bill-no/{out_bill_no}/cancel: possible until the payee has confirmed."""
    transfer = _existing(sandbox, request.parameters["out_bill_no"])
    if transfer.state in _OPEN:
        _move(transfer, TransferState.CANCELING, sandbox.clock.now())
    elif transfer.state not in (TransferState.CANCELING, TransferState.CANCELLED):
        raise ApiError(400, "INVALID_REQUEST", f"转账单状态为 {transfer.state.value}，不可撤销")
    answer: JsonObject = {
        "out_bill_no": transfer.out_bill_no,
        "transfer_bill_no": transfer.transfer_bill_no,
        "state": transfer.state.value,
        "update_time": rfc3339(transfer.updated_at),
    }
    if transfer.state is TransferState.CANCELING and sandbox.knobs.transfer_mode != "hold":
        finish(sandbox, transfer, TransferState.CANCELLED)
    return answer_json(answer)


def find_transfer(sandbox: Sandbox, out_bill_no: str) -> Transfer | None:
    """Return the transfer with this number, failed if its 24 hours are over."""
    transfer = sandbox.state.transfers.get(out_bill_no)
    if transfer is not None:
        expire(sandbox, transfer)
    return transfer


def expire(sandbox: Sandbox, transfer: Transfer) -> bool:
    """Fail the transfer if nobody confirmed it within 24 hours, and say whether that was so."""
    due_at = transfer.created_at + CONFIRM_WITHIN
    if transfer.state not in _OPEN or due_at > sandbox.clock.now():
        return False
    _end(sandbox, transfer, TransferState.FAIL, due_at, OVERDUE)
    return True


def confirm(sandbox: Sandbox, transfer: Transfer) -> None:
    """Play the payee's confirmation: TRANSFERING, then the end that the knob has chosen.

    Raises:
        ApiError: the transfer does not wait for a confirmation.
    """
    if transfer.state is not TransferState.WAIT_USER_CONFIRM:
        raise ApiError(400, "INVALID_REQUEST", f"requestMerchantTransfer:fail 转账单状态为 {transfer.state.value}")
    _move(transfer, TransferState.TRANSFERING, sandbox.clock.now())
    payee = sandbox.user(transfer.openid)
    real_name = payee.real_name if payee is not None else ""
    if transfer.user_name and real_name and transfer.user_name != real_name:
        finish(sandbox, transfer, TransferState.FAIL, "NAME_NOT_CORRECT")
    elif sandbox.knobs.transfer_mode == "success":
        finish(sandbox, transfer, TransferState.SUCCESS)
    elif sandbox.knobs.transfer_mode == "fail":
        finish(sandbox, transfer, TransferState.FAIL, "PAYEE_ACCOUNT_ABNORMAL")


def finish(sandbox: Sandbox, transfer: Transfer, state: TransferState, fail_reason: str = "") -> None:
    """End a transfer that is being carried out or cancelled.

    Raises:
        ApiError: this end does not follow from the transfer's state.
    """
    if state not in _ENDS.get(transfer.state, ()):
        raise ApiError(400, "INVALID_REQUEST", f"{transfer.state.value} 的转账单不能变为 {state.value}")
    _end(sandbox, transfer, state, sandbox.clock.now(), fail_reason)


def transfer_json(sandbox: Sandbox, transfer: Transfer) -> JsonObject:
    """Return the transfer as a query shows it."""
    shown: JsonObject = {
        "mch_id": sandbox.keys.mchid,
        "out_bill_no": transfer.out_bill_no,
        "transfer_bill_no": transfer.transfer_bill_no,
        "appid": sandbox.keys.appid,
        "state": transfer.state.value,
        "transfer_amount": transfer.amount_fen,
        "transfer_remark": transfer.remark,
        "openid": transfer.openid,
        "create_time": rfc3339(transfer.created_at),
        "update_time": rfc3339(transfer.updated_at),
    }
    if transfer.fail_reason:
        shown["fail_reason"] = transfer.fail_reason
    return shown


def _look(sandbox: Sandbox, out_bill_no: str) -> Transfer | None:
    """Return the transfer; an early state moves one step on each time somebody looks."""
    transfer = find_transfer(sandbox, out_bill_no)
    if transfer is not None and transfer.state in _NEXT_STATE:
        _move(transfer, _NEXT_STATE[transfer.state], sandbox.clock.now())
    return transfer


def _existing(sandbox: Sandbox, out_bill_no: str) -> Transfer:
    transfer = _look(sandbox, out_bill_no)
    if transfer is None:
        raise ApiError(404, "NOT_FOUND", "记录不存在")
    return transfer


def _open(sandbox: Sandbox, wanted: Transfer) -> Transfer:
    knobs = sandbox.knobs
    if not knobs.transfer_min_fen <= wanted.amount_fen <= knobs.transfer_max_fen:
        raise ApiError(
            400,
            "INVALID_REQUEST",
            f"转账金额不在允许范围（{knobs.transfer_min_fen} 至 {knobs.transfer_max_fen} 分）",
        )
    if knobs.merchant_balance_fen < wanted.amount_fen:
        raise ApiError(403, "NOT_ENOUGH", "商户账户余额不足")
    check_room(len(sandbox.state.transfers), MAX_TRANSFERS)
    knobs.merchant_balance_fen -= wanted.amount_fen
    sandbox.state.transfers[wanted.out_bill_no] = wanted
    return wanted


def _move(transfer: Transfer, state: TransferState, moment: datetime) -> None:
    transfer.state = state
    transfer.updated_at = moment


def _end(sandbox: Sandbox, transfer: Transfer, state: TransferState, moment: datetime, fail_reason: str) -> None:
    _move(transfer, state, moment)
    transfer.fail_reason = fail_reason
    if state is not TransferState.SUCCESS:
        sandbox.knobs.merchant_balance_fen += transfer.amount_fen
    if not transfer.notify_url:
        return
    resource = transfer_json(sandbox, transfer)
    for name in ("appid", "transfer_remark"):
        del resource[name]  # the notification does not carry them
    sandbox.notifier.submit(
        pay_notification(
            sandbox.keyring,
            sandbox.clock,
            "MCHTRANSFER.BILL.FINISHED",
            "商家转账单据终态通知",
            "mch_payment",
            transfer.out_bill_no,
            transfer.notify_url,
            resource,
        )
    )


def _read_transfer(sandbox: Sandbox, fields: Fields, platform_serial: str) -> Transfer:
    if fields.text("appid", 32) != sandbox.keys.appid:
        raise ApiError(400, "INVALID_REQUEST", "appid 与商户号未绑定")
    if fields.text("transfer_scene_id", 36) != SCENE_COMMISSION:
        raise ApiError(403, "NO_AUTH", "商户号未开通该转账场景")
    amount_fen = fields.integer("transfer_amount", 1, _MAX_FEN)
    user_name = _read_user_name(sandbox, fields, amount_fen, platform_serial)
    openid = fields.text("openid", 64)
    now = sandbox.clock.now()
    transfer = Transfer(
        out_bill_no=fields.text("out_bill_no", 32, r"[0-9A-Za-z]+"),
        transfer_bill_no=dated("1330", now, 34),
        fingerprint=fingerprint({**fields.values, "user_name": user_name, "reports": _read_reports(fields)}),
        openid=openid,
        amount_fen=amount_fen,
        remark=fields.text("transfer_remark", 32),
        notify_url=fields.notify_url("notify_url") if fields.has("notify_url") else "",
        package_info=nonce_text(64),
        created_at=now,
        updated_at=now,
        state=TransferState(sandbox.knobs.transfer_first_state),
        user_name=user_name,
    )
    fields.optional_text("user_recv_perception", 32)
    if sandbox.user(openid) is None:
        raise ApiError(400, "INVALID_REQUEST", "openid 与 appid 不匹配")
    return transfer


def _read_user_name(sandbox: Sandbox, fields: Fields, amount_fen: int, platform_serial: str) -> str:
    if not fields.has("user_name"):
        if amount_fen >= _NAME_REQUIRED_FROM_FEN:
            raise fields.fail("user_name", "转账金额大于等于 2000 元时必须传入收款用户姓名")
        return ""
    if amount_fen < _NAME_FORBIDDEN_BELOW_FEN:
        raise fields.fail("user_name", "转账金额小于 0.3 元时不支持传入收款用户姓名")
    if platform_serial != sandbox.keys.platform_public_key_id:
        raise ApiError(400, "PARAM_ERROR", "Wechatpay-Serial 与加密所用的微信支付公钥不符")
    name = sandbox.keyring.open_sensitive(fields.text("user_name", 1024))
    if not name:
        raise fields.fail("user_name", "敏感信息解密失败")
    return name


def _read_reports(fields: Fields) -> JsonObject:
    """Return the report texts by type; scene 1005 wants exactly the post and what the reward is for."""
    reports: JsonObject = {
        entry.text("info_type", 15): entry.text("info_content", 32)
        for entry in fields.objects("transfer_scene_report_infos", len(_REPORT_TYPES))
    }
    if set(reports) != set(_REPORT_TYPES):
        raise fields.fail("transfer_scene_report_infos", f"须且仅须包含 {'、'.join(_REPORT_TYPES)}")
    return reports
