"""The page that shows what the sandbox holds, for somebody who wants to know why something happened."""

from collections.abc import Iterable
from datetime import datetime
from html import escape

from .clock import SHANGHAI
from .exchange import Request, Response
from .notifications import Attempt, Notification
from .sandbox import Sandbox
from .shipping import order_state
from .state import Order

_ROWS = 50
_REFRESH_SECONDS = 5
_STYLE = (
    "body{font:14px/1.5 system-ui,sans-serif;margin:1.5rem;color:#1a1a1a;background:#fff}"
    "h1{font-size:1.3rem}h2{font-size:1.05rem;margin:1.6rem 0 .4rem}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #d0d0d0;padding:.25rem .5rem;text-align:left;"
    "vertical-align:top;overflow-wrap:anywhere}th{background:#f3f3f3;white-space:nowrap}"
    "p.note{color:#555}"
)
_SHIPPING_TEXT = {1: "待发货", 2: "已发货", 4: "已结算", 5: "已退款"}
_DELIVERY_TEXT = {
    "pending": "待送达",
    "delivered": "已送达",
    "lost": "已丢弃（旋钮）",
    "gave_up": "已放弃",
    "forged": "伪造",
}
_ATTEMPT_TEXT = {
    "first": "首次",
    "duplicate": "重复",
    "retry": "重试",
    "redelivery": "手动重发",
    "dropped": "丢弃",
    "forgery": "伪造",
}


def _time(moment: datetime) -> str:
    """Return a moment as people read it: Shanghai time to the second."""
    return moment.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")


def show_page(sandbox: Sandbox, _request: Request) -> Response:
    """GET /: the page; it contains no script and loads nothing."""
    body = "".join(
        [
            f"<h1>微信沙箱</h1><p class=note>每 {_REFRESH_SECONDS} 秒刷新；各表从新到旧，最多 {_ROWS} 行。</p>",
            _overview(sandbox),
            _notifications(sandbox),
            _orders(sandbox),
            _shipping(sandbox),
            _refunds(sandbox),
            _transfers(sandbox),
            _users(sandbox),
            _knobs(sandbox),
        ]
    )
    html = (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><title>微信沙箱</title>'
        f'<meta http-equiv="refresh" content="{_REFRESH_SECONDS}"><style>{_STYLE}</style></head>'
        f"<body>{body}</body></html>"
    )
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return Response(200, html.encode(), "text/html; charset=utf-8", headers)


def _overview(sandbox: Sandbox) -> str:
    deployment = sandbox.deployment
    rows = [
        ("业务时间", _time(sandbox.clock.now())),
        ("时钟前移", f"{sandbox.clock.offset_seconds} 秒（约 {sandbox.clock.offset_seconds / 86400:.1f} 天）"),
        ("AppID / 商户号", f"{sandbox.keys.appid} / {sandbox.keys.mchid}"),
        ("接口地址", deployment.api_url or "未设置，通知暂时送不出去"),
        ("定时函数", "、".join(deployment.scheduled_functions) or "未设置"),
        ("排队中的通知", str(sandbox.notifier.pending())),
    ]
    return _table("时钟与配置", ("项目", "值"), rows)


def _notifications(sandbox: Sandbox) -> str:
    rows = [
        (
            _time(entry.created_at),
            entry.event_type,
            entry.subject,
            entry.path,
            _DELIVERY_TEXT[entry.state.value],
            _attempts(entry),
            entry.id,
        )
        for entry in _newest(sandbox.notifier.kept.values())
    ]
    return _table("通知与消息推送", ("时间", "事件", "单号", "路径", "结果", "每次投递的应答", "编号"), rows)


def _attempts(notification: Notification) -> str:
    return "\n".join(_attempt(attempt) for attempt in reversed(notification.attempts[-5:]))


def _attempt(attempt: Attempt) -> str:
    outcome = attempt.error or (f"{attempt.status} {attempt.body}" if attempt.status is not None else "")
    mark = "✓" if attempt.acknowledged else "✗"
    return f"{mark} {_ATTEMPT_TEXT[attempt.kind.value]} {_time(attempt.started_at)} {attempt.duration_ms} ms {outcome}"


def _orders(sandbox: Sandbox) -> str:
    rows = [
        (
            _time(order.created_at),
            order.out_trade_no,
            order.transaction_id,
            order.description,
            _yuan(order.amount_fen),
            _payer(sandbox, order.openid),
            order.state.value,
            _time(order.success_time) if order.success_time is not None else "",
        )
        for order in _newest(sandbox.state.orders.values())
    ]
    heads = ("下单时间", "商户订单号", "微信支付单号", "描述", "金额（元）", "支付者", "状态", "支付时间")
    return _table("支付单", heads, rows)


def _shipping(sandbox: Sandbox) -> str:
    shipped = [order for order in sandbox.state.orders.values() if order.shipping is not None]
    return _table(
        "发货与结算",
        ("商户订单号", "状态", "物流", "发货时间", "预计结算", "结算时间"),
        [_shipping_row(order) for order in _newest(shipped)],
    )


def _shipping_row(order: Order) -> tuple[str, ...]:
    shipping = order.shipping
    if shipping is None:
        return ()
    parcels = "\n".join(f"{p.express_company} {p.tracking_no} {p.item_desc}" for p in shipping.parcels)
    moments = (shipping.shipped_at, shipping.settle_due_at, shipping.settled_at)
    times = [_time(moment) if moment is not None else "" for moment in moments]
    return (order.out_trade_no, _SHIPPING_TEXT[order_state(order)], parcels, *times)


def _refunds(sandbox: Sandbox) -> str:
    rows = [
        (
            _time(refund.created_at),
            refund.out_refund_no,
            refund.out_trade_no,
            _yuan(refund.amount_fen),
            refund.reason,
            refund.status.value,
        )
        for refund in _newest(sandbox.state.refunds.values())
    ]
    return _table("退款单", ("申请时间", "商户退款单号", "商户订单号", "退款（元）", "原因", "状态"), rows)


def _transfers(sandbox: Sandbox) -> str:
    rows = [
        (
            _time(transfer.created_at),
            transfer.out_bill_no,
            transfer.transfer_bill_no,
            _yuan(transfer.amount_fen),
            _payer(sandbox, transfer.openid),
            transfer.remark,
            f"{transfer.state.value} {transfer.fail_reason}",
            _time(transfer.updated_at),
        )
        for transfer in _newest(sandbox.state.transfers.values())
    ]
    heads = ("创建时间", "商户单号", "微信转账单号", "金额（元）", "收款人", "备注", "状态", "更新时间")
    return _table("商家转账单", heads, rows)


def _users(sandbox: Sandbox) -> str:
    rows = [(user.name, user.openid, user.unionid) for user in _newest(sandbox.state.users.values())]
    return _table("用户", ("名字", "openid", "unionid"), rows)


def _knobs(sandbox: Sandbox) -> str:
    return _table("旋钮", ("旋钮", "值"), [(name, str(value)) for name, value in sandbox.knobs.as_json().items()])


def _newest[Entry](entries: Iterable[Entry]) -> list[Entry]:
    return list(entries)[: -_ROWS - 1 : -1]


def _payer(sandbox: Sandbox, openid: str) -> str:
    user = sandbox.user(openid)
    return f"{user.name}（{openid}）" if user is not None else openid


def _yuan(amount_fen: int) -> str:
    return f"{amount_fen // 100}.{amount_fen % 100:02d}"


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a titled table; every text is escaped and line breaks are kept."""
    lines = ["".join(f"<td>{_cell(text)}</td>" for text in row) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines) or f"<tr><td colspan={len(heads)}>暂无</td></tr>"
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    return f"<h2>{escape(title)}</h2><table><tr>{head}</tr>{body}</table>"


def _cell(text: str) -> str:
    return escape(text).replace("\n", "<br>")
