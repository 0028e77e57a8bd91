"""Signing in and out, and one's own account."""

from fenxiao import wiring
from fenxiao.http.api import Api, Auth, Request
from fenxiao.identity.account import log_in, me, set_phone
from fenxiao.identity.account import rename as change_nickname
from fenxiao.identity.contract import (
    LoggedIn,
    LogIn,
    MeView,
    Refreshed,
    RefreshSession,
    Rename,
    SetPhone,
    StaffSignedIn,
    StaffSignIn,
)
from fenxiao.identity.model import PrincipalKind
from fenxiao.identity.sessions import refresh_session
from fenxiao.identity.staff import sign_in_staff

api = Api("login")


@api.route("POST", "/sessions", "小程序登录", Auth.PUBLIC, body=LogIn, returns=LoggedIn, status=201)
def create_session(request: Request[LogIn]) -> LoggedIn:
    """Sign in with a `wx.login` code."""
    return log_in(
        request.body.code,
        wiring.mini_program(),
        wiring.accounts(),
        wiring.sessions(),
        wiring.token_keys(),
        wiring.clock(),
        wiring.wall_clock(),
    )


@api.route("POST", "/sessions/refresh", "刷新登录", Auth.PUBLIC, body=RefreshSession, returns=Refreshed)
def refresh(request: Request[RefreshSession]) -> Refreshed:
    """Spend a refresh token for new tokens."""
    issued = refresh_session(
        request.body.refresh_token,
        wiring.sessions(),
        wiring.staff(),
        wiring.token_keys().signing_key,
        wiring.wall_clock().now(),
    )
    return Refreshed(issued.access_token, issued.access_expires_in_seconds, issued.refresh_token)


@api.route("DELETE", "/sessions", "退出所有设备", Auth.MEMBER)
def sign_out(request: Request[None]) -> None:
    """Sign out everywhere."""
    wiring.sessions()[PrincipalKind.MEMBER].end_all(request.principal.id)


@api.route("GET", "/members/me", "我的资料", Auth.MEMBER, returns=MeView)
def get_me(request: Request[None]) -> MeView:
    """Answer one's own account."""
    return me(request.principal.id, wiring.members(), wiring.accounts(), wiring.token_keys(), wiring.clock())


@api.route("PATCH", "/members/me", "修改昵称", Auth.MEMBER, body=Rename)
def rename(request: Request[Rename]) -> None:
    """Change the nickname."""
    change_nickname(
        request.principal.id, request.body.nickname, wiring.mini_program(), wiring.members(), wiring.accounts()
    )


@api.route("PUT", "/members/me/phone", "绑定手机号", Auth.MEMBER, body=SetPhone)
def put_phone(request: Request[SetPhone]) -> None:
    """Keep the phone number behind a `getPhoneNumber` code."""
    set_phone(request.principal.id, request.body.code, wiring.mini_program(), wiring.accounts(), wiring.token_keys())


@api.route("POST", "/staff/sessions", "员工登录", Auth.PUBLIC, body=StaffSignIn, returns=StaffSignedIn, status=201)
def create_staff_session(request: Request[StaffSignIn]) -> StaffSignedIn:
    """Sign in a staff member."""
    return sign_in_staff(
        request.body.staff_id,
        request.body.sign_in_key,
        wiring.staff(),
        wiring.sessions(),
        wiring.token_keys(),
        wiring.wall_clock(),
    )


@api.route("DELETE", "/staff/sessions", "员工退出所有设备", Auth.STAFF)
def sign_out_staff(request: Request[None]) -> None:
    """Sign a staff member out everywhere."""
    wiring.sessions()[PrincipalKind.STAFF].end_all(request.principal.id)


lambda_handler = api.handler
