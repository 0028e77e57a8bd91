"""Pay v3's check of the Authorization header."""

from .clock import epoch
from .exchange import ApiError, Request
from .sandbox import Sandbox
from .signing import parse_authorization

MAX_SKEW_SECONDS = 300


def verify(sandbox: Sandbox, request: Request) -> None:
    """Check that our merchant signed exactly this request, just now and for the first time.

    Raises:
        ApiError: 401 SIGN_ERROR, with what was wrong in `detail.issue`.
    """
    given = parse_authorization(request.headers.get("authorization", ""))
    if given is None:
        raise _sign_error("Authorization 头缺失或格式有误")
    keys = sandbox.keys
    if given.mchid != keys.mchid:
        raise _sign_error("商户号与证书不匹配")
    if given.serial != keys.merchant_serial:
        raise _sign_error("商户证书序列号有误")
    if abs(epoch(sandbox.clock.wall()) - given.timestamp) >= MAX_SKEW_SECONDS:
        raise _sign_error("时间戳过期")
    try:
        body = request.body.decode()
    except UnicodeDecodeError:
        raise _sign_error("请求体不是 UTF-8") from None
    text = f"{request.method}\n{request.target}\n{given.timestamp}\n{given.nonce}\n{body}\n"
    if not sandbox.keyring.merchant_signed(text, given.signature):
        raise _sign_error("签名验证失败")
    with sandbox.lock:
        if not sandbox.nonces.first_time(given.nonce):
            raise _sign_error("随机串重复使用")


def _sign_error(issue: str) -> ApiError:
    return ApiError(401, "SIGN_ERROR", "错误的签名，验签失败", {"issue": issue, "location": "authorization"})
