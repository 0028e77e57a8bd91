"""Events that the mini-program pushes: WeChat released an order's funds."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request, Text
from fenxiao.order.delivery import record_settlement

api = Api("wechat_message")
_SIGNATURE = {"signature": "签名", "timestamp": "时间戳", "nonce": "随机数", "echostr": "原样返回的内容"}
_MESSAGE_SIGNATURE = {"msg_signature": "消息签名", "timestamp": "时间戳", "nonce": "随机数"}
_XML = ("text/xml", "application/xml")


@api.route("GET", "/wechat/messages", "微信消息推送地址验证", Auth.PUBLIC, query=_SIGNATURE)
def verify(request: Request[None]) -> Text:
    """Answer the words that WeChat wants back."""
    return Text(wiring.messages().verify_url(request.query))


@api.route("POST", "/wechat/messages", "微信消息推送", Auth.PUBLIC, query=_MESSAGE_SIGNATURE, content_types=_XML)
def message(request: Request[None]) -> Text:
    """Take in an event; what does not concern orders is acknowledged too."""
    settlement = wiring.messages().open_message(request.query, request.raw_body)
    if settlement:
        record_settlement(wiring.orders(), settlement, wiring.clock().now())
    return Text("success")


lambda_handler = api.handler
