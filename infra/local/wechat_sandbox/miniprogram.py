"""Mini-program APIs: login, access tokens, phone numbers, content check and mini-program codes."""

import base64
import re
import secrets
from datetime import timedelta

from .clock import epoch
from .exchange import JsonObject, MiniProgramError, Request, Response, answer_json
from .fields import Fields, parse_object
from .numbers import digits, open_id
from .picture import code_png
from .sandbox import Sandbox, check_room
from .signing import nonce_text
from .state import MAX_CODES, MAX_USERS, Code, User

CODE_LIFE = timedelta(minutes=5)
_SCENE = r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]{1,32}"
_MAX_CHECKED_CHARACTERS = 2500
_LABEL_NORMAL, _LABEL_ADVERTISING, _LABEL_ILLEGAL = 100, 10001, 20006
_MIN_CODE_WIDTH, _MAX_CODE_WIDTH, _DEFAULT_CODE_WIDTH = 280, 1280, 430


def check_token(sandbox: Sandbox, request: Request) -> None:
    """Check the access token in the query.

    Raises:
        MiniProgramError: 41001 missing, 42001 expired, 40001 unknown.
    """
    token = request.query.get("access_token", "")
    if not token:
        raise MiniProgramError(41001, "access_token missing")
    if sandbox.tokens.valid(token):
        return
    if sandbox.tokens.known(token):
        raise MiniProgramError(42001, "access_token expired")
    raise MiniProgramError(40001, "invalid credential, access_token is invalid or not latest")


def code_to_session(sandbox: Sandbox, request: Request) -> Response:
    """GET /sns/jscode2session: trade a login code, once, for the user's openid and session key."""
    query = request.query
    if query.get("grant_type") != "authorization_code":
        raise MiniProgramError(40002, "invalid grant_type")
    _check_app(sandbox, query.get("appid", ""), query.get("secret", ""))
    if not query.get("js_code"):
        raise MiniProgramError(41008, "missing code")
    user = _take_code(sandbox, sandbox.state.login_codes, query["js_code"])
    user.session_key = base64.b64encode(secrets.token_bytes(16)).decode()
    return answer_json({"session_key": user.session_key, "openid": user.openid, "unionid": user.unionid})


def stable_token(sandbox: Sandbox, request: Request) -> Response:
    """POST /cgi-bin/stable_token."""
    fields = parse_object(request.body)
    _check_grant(sandbox, fields)
    force_refresh = fields.has("force_refresh") and fields.boolean("force_refresh")
    token, expires_in = sandbox.tokens.stable(force_refresh=force_refresh)
    return answer_json({"access_token": token, "expires_in": expires_in})


def plain_token(sandbox: Sandbox, request: Request) -> Response:
    """GET /cgi-bin/token."""
    _check_grant(sandbox, Fields(dict(request.query), "/query"))
    token, expires_in = sandbox.tokens.plain()
    return answer_json({"access_token": token, "expires_in": expires_in})


def phone_number(sandbox: Sandbox, request: Request) -> Response:
    """POST /wxa/business/getuserphonenumber."""
    user = _take_code(sandbox, sandbox.state.phone_codes, parse_object(request.body).text("code", 128))
    info: JsonObject = {
        "phoneNumber": user.phone,
        "purePhoneNumber": user.phone,
        "countryCode": "86",
        "watermark": {"timestamp": epoch(sandbox.clock.wall()), "appid": sandbox.keys.appid},
    }
    return answer_json({"errcode": 0, "errmsg": "ok", "phone_info": info})


def check_content(sandbox: Sandbox, request: Request) -> Response:
    """POST /wxa/msg_sec_check, version 2: risky and review words are knobs."""
    fields = parse_object(request.body)
    fields.integer("version", 2, 2)
    fields.integer("scene", 1, 4)
    content = fields.text("content", 1_000_000)
    if len(content) > _MAX_CHECKED_CHARACTERS:
        raise MiniProgramError(45002, "content size out of limit")
    if sandbox.user(fields.text("openid", 128)) is None:
        raise MiniProgramError(40003, "invalid openid")
    extras = [fields.optional_text(name, _MAX_CHECKED_CHARACTERS) for name in ("title", "nickname", "signature")]
    suggest, label = _judge(sandbox, "\n".join([content, *extras]))
    detail = {"strategy": "content_model", "errcode": 0, "suggest": suggest, "label": label, "prob": 90}
    return answer_json(
        {
            "errcode": 0,
            "errmsg": "ok",
            "trace_id": secrets.token_hex(16),
            "result": {"suggest": suggest, "label": label},
            "detail": [detail],
        }
    )


def mini_program_code(sandbox: Sandbox, request: Request) -> Response:
    """POST /wxa/getwxacodeunlimit: a picture, different for each scene."""
    fields = parse_object(request.body)
    scene = fields.values.get("scene")
    if not isinstance(scene, str) or not re.fullmatch(_SCENE, scene):
        raise MiniProgramError(40169, "invalid length for scene, or the data is not json string")
    page = fields.optional_text("page", 128)
    if page.startswith("/") or "?" in page:
        raise MiniProgramError(41030, "invalid page")
    width = fields.integer("width", _MIN_CODE_WIDTH, _MAX_CODE_WIDTH) if fields.has("width") else _DEFAULT_CODE_WIDTH
    content = f"{sandbox.keys.appid}\n{page}\n{scene}"
    return Response(200, code_png(content, width), content_type="image/png")


def find_or_make_user(sandbox: Sandbox, name: str, phone: str = "", real_name: str = "") -> User:
    """Return the user with this name, made if new; a phone number or real name that is given replaces the old one."""
    state = sandbox.state
    openid = state.openid_of_name.get(name)
    if openid is None:
        check_room(len(state.users), MAX_USERS)
        user = User(name, open_id(), open_id(), phone or "138" + digits(8), real_name)
        state.openid_of_name[name] = user.openid
        state.users[user.openid] = user
        return user
    user = state.users[openid]
    user.phone = phone or user.phone
    user.real_name = real_name or user.real_name
    return user


def make_code(sandbox: Sandbox, codes: dict[str, Code], user: User) -> str:
    """Return a new code for the user, good for five minutes; the oldest codes are forgotten."""
    code = "0" + nonce_text(31)
    codes[code] = Code(user, sandbox.clock.wall() + CODE_LIFE)
    if len(codes) > MAX_CODES:
        del codes[next(iter(codes))]
    return code


def _take_code(sandbox: Sandbox, codes: dict[str, Code], given: str) -> User:
    code = codes.get(given)
    if code is None or code.expires_at <= sandbox.clock.wall():
        raise MiniProgramError(40029, "invalid code")
    if code.used:
        raise MiniProgramError(40163, "code been used")
    code.used = True
    return code.user


def _check_grant(sandbox: Sandbox, fields: Fields) -> None:
    if fields.values.get("grant_type") != "client_credential":
        raise MiniProgramError(40002, "invalid grant_type")
    _check_app(sandbox, str(fields.values.get("appid", "")), str(fields.values.get("secret", "")))


def _check_app(sandbox: Sandbox, appid: str, secret: str) -> None:
    if appid != sandbox.keys.appid:
        raise MiniProgramError(40013, "invalid appid")
    if not secrets.compare_digest(secret.encode(), sandbox.keys.app_secret.encode()):
        raise MiniProgramError(40125, "invalid appsecret")


def _judge(sandbox: Sandbox, text: str) -> tuple[str, int]:
    if any(word in text for word in sandbox.knobs.risky_words):
        return "risky", _LABEL_ILLEGAL
    if any(word in text for word in sandbox.knobs.review_words):
        return "review", _LABEL_ADVERTISING
    return "pass", _LABEL_NORMAL
