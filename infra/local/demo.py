"""The story of one order, from four sign-ins to two payouts, told on the running stack and checked to the fen.

Everything goes over HTTP and the sandbox's controls, as a mini-program, a finance person and WeChat would do it. The
last line is a JSON summary; the exit code is 0 only if every figure agrees.

The figures, worked out by hand
    D buys 2 teapots at 6 599.17 and 3 teas at 127.99.
        teapots 2 × 659 917 = 1 319 834     tea 3 × 12 799 = 38 397     paid 1 358 231
    Rates: teaware 8 / 4 / 2 %, everything else 10 / 5 / 2 %; each line is floored to the fen.
        C (level 1)   teapots 105 586.72 → 105 586     tea 3 839.70 → 3 839     109 425
        B (level 2)   teapots  52 793.36 →  52 793     tea 1 919.85 → 1 919      54 712
        A (level 3)   teapots  26 396.68 →  26 396     tea   767.94 →   767      27 163
    The tea is refunded: 38 397 back to D, and what is left earns C 105 586, B 52 793, A 26 396, in all 184 775.
    A withdraws 5 000: automatic, and free of tax (a month's income up to 80 000 is).
    C withdraws 90 000: above 5 000, so one reviewer; tax (90 000 − 80 000) × 20 % = 2 000, so 88 000 are transferred.
        left: A 26 396 − 5 000 = 21 396     C 105 586 − 90 000 = 15 586
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from infra.local.api_client import Caller, Sandbox, idempotency_key, member, send, staff, wait_for
from infra.local.emulator import ROOT
from infra.local.stack import Stack, running_or_new_stack

TEAPOTS_FEN: Final = 1_319_834
TEA_FEN: Final = 38_397
PAID_FEN: Final = 1_358_231
EARNED_FEN: Final = {"C": 109_425, "B": 54_712, "A": 27_163}
LEFT_FEN: Final = {"C": 105_586, "B": 52_793, "A": 26_396}
COMMISSION_FEN: Final = 184_775
SMALL_FEN, LARGE_FEN, LARGE_TAX_FEN, LARGE_NET_FEN = 5_000, 90_000, 2_000, 88_000
WITHDRAWN_FEN: Final = 95_000
REMAINING_FEN: Final = {"C": 15_586, "B": 52_793, "A": 21_396}

_TIMEOUT_SECONDS: Final = 10
_DAY_SECONDS: Final = 86_400
_HOLD_SECONDS: Final = 8 * _DAY_SECONDS


@dataclass
class Story:
    """Tells what happens, and remembers whether every figure was as it should be."""

    faults: int = 0
    _began: float = field(default_factory=time.monotonic)

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        print(f"\n{title}  [{time.monotonic() - self._began:.1f} s]")

    def tell(self, what: str, amount_fen: int | None = None) -> None:
        """Tell something that happened."""
        print(f"    {_pad(what, 44)}{_yuan(amount_fen)}" if amount_fen is not None else f"    {what}")

    def check(self, what: str, actual_fen: int, expected_fen: int) -> None:
        """Compare a figure with the one worked out by hand."""
        right = actual_fen == expected_fen
        self.faults += not right
        print(f"    {_pad(what, 44)}{_yuan(actual_fen)}  {'✓' if right else f'✗ expected {_yuan(expected_fen)}'}")

    def test(self, what: str, holds: bool) -> None:  # noqa: FBT001 - what and whether it holds read well in this order
        """Tell whether something is as it should be."""
        self.faults += not holds
        print(f"    {_pad(what, 60)}{'✓' if holds else '✗'}")

    def check_wallet(self, name: str, wallet: Mapping[str, int], available_fen: int) -> None:
        """Compare a whole wallet, in which nothing but the available figure may be other than zero."""
        self.check(f"{name} 可提现 available", wallet["available_fen"], available_fen)
        for figure, fen in wallet.items():
            if figure != "available_fen" and fen:
                self.check(f"{name} {figure}", fen, 0)


def _yuan(amount_fen: int) -> str:
    return f"{'-' if amount_fen < 0 else ''}{abs(amount_fen) // 100:,}.{abs(amount_fen) % 100:02d}".rjust(14)


def _pad(text: str, width: int) -> str:
    """Pad to a width in columns; a Chinese character takes two."""
    columns = sum(2 if ord(char) > 0x2E7F else 1 for char in text)  # noqa: PLR2004 - where CJK begins
    return text + " " * max(1, width - columns)


@dataclass
class Cast:
    """Who plays, and the shop's keepers."""

    people: dict[str, Caller]
    operations: Caller
    finance: Caller
    sandbox: Sandbox
    api_url: str
    sku_ids: Mapping[str, str]

    def wallet(self, name: str) -> dict[str, int]:
        """Return a promoter's wallet of commission."""
        wallet: dict[str, Any] = self.people[name].get("/wallet")
        return {figure: fen for figure, fen in wallet.items() if figure != "rebate"}

    def wait_for_wallet(self, name: str, figure: str, amount_fen: int) -> None:
        """Wait until a figure of a wallet is as expected, or give up; what it is then is checked by the caller."""
        try:
            wait_for(f"{name}'s {figure}", lambda: self.wallet(name)[figure] == amount_fen or None)
        except TimeoutError as late:
            print(f"    {late}")

    def wait_for_line(self, name: str, event: str) -> None:
        """Wait until the statement, a read model, has come as far as an event; reports are made of the same model."""
        wait_for(
            f"{name}'s statement line",
            lambda: any(one["event"] == event for one in self.people[name].get("/statement")["items"]) or None,
        )


def tell(stack: Stack) -> int:
    """Play the story; return the number of figures that were off."""
    story, cast = Story(), _cast(stack)
    first_day = _day(cast)
    _bind(story, cast)
    order_id = _buy(story, cast)
    _refund(story, cast, order_id)
    _settle(story, cast, order_id)
    _withdraw(story, cast)
    summary = _report(story, cast, first_day)
    _prove(story, cast, order_id)
    agreed = summary == {
        "paid_fen": PAID_FEN,
        "refunded_fen": TEA_FEN,
        "commission_fen": COMMISSION_FEN,
        "withdrawn_fen": WITHDRAWN_FEN,
        "tax_fen": LARGE_TAX_FEN,
        "books_balance": True,
    }
    story.faults += not agreed
    print(f"\n{'every figure agrees' if not story.faults else f'{story.faults} figures are off'}")
    print(json.dumps(summary))
    return story.faults


def _cast(stack: Stack) -> Cast:
    """Four people whom the shop has not met, so that the story can be told again on the same stack."""
    sandbox, act = Sandbox(stack.sandbox_url), os.urandom(3).hex()
    logins: Any = stack.seed["staff"]
    skus: Any = stack.seed["sku_ids"]
    return Cast(
        people={name: member(stack.api_url, sandbox, f"{name}-{act}") for name in "ABCD"},
        operations=staff(stack.api_url, **logins["operations"]),
        finance=staff(stack.api_url, **logins["finance"]),
        sandbox=sandbox,
        api_url=stack.api_url,
        sku_ids=skus,
    )


def _bind(story: Story, cast: Cast) -> None:
    story.chapter("四人登录，逐级绑定  Four people sign in and bind")
    for inviter, invited in (("A", "B"), ("B", "C"), ("C", "D")):
        cast.people[inviter].post("/promoters")
        code = cast.people[inviter].post("/invites", {})["invite_code"]
        cast.people[invited].post("/relation", {"invite_code": code})
        story.tell(f"{invited} 扫 {inviter} 的邀请码 {code}")


def _buy(story: Story, cast: Cast) -> str:
    story.chapter("D 下单并支付  D orders two lines and pays")
    buyer = cast.people["D"]
    address = {"recipient": "丁女士", "phone": "13800000000", "region": "浙江省杭州市西湖区", "street": "龙井路 1 号"}
    address_id = buyer.post("/addresses", address)["address_id"]
    lines = [
        {"sku_id": cast.sku_ids["紫砂壶"], "quantity": 2},
        {"sku_id": cast.sku_ids["明前龙井"], "quantity": 3},
    ]
    order = buyer.post("/orders", {"address_id": address_id, "lines": lines}, key=idempotency_key())
    order_id: str = order["order_id"]
    story.check("订单金额 order total", order["total_fen"], PAID_FEN)
    cast.sandbox.pay(buyer.post(f"/orders/{order_id}/prepay"))
    wait_for("the payment", lambda: buyer.get(f"/orders/{order_id}")["status"] == "paid" or None)
    story.tell("微信支付通知已验签、解密、入账")
    for name, fen in EARNED_FEN.items():
        cast.wait_for_wallet(name, "held_fen", fen)
        story.check(f"{name} 待结算佣金 held", cast.wallet(name)["held_fen"], fen)
    return order_id


def _refund(story: Story, cast: Cast, order_id: str) -> None:
    story.chapter("龙井整行退款  The tea is refunded")
    body = {"lines": [{"line": 1, "amount_fen": TEA_FEN}], "reason": "七天无理由退货"}
    cast.operations.post(f"/staff/orders/{order_id}/refunds", body, key=idempotency_key())
    for name, fen in LEFT_FEN.items():
        cast.wait_for_wallet(name, "held_fen", fen)
        story.check(f"{name} 待结算佣金 held", cast.wallet(name)["held_fen"], fen)


def _settle(story: Story, cast: Cast, order_id: str) -> None:
    story.chapter("发货、收货、过了退货期  Shipped, received, and the hold passes")
    parcel = {"carrier": "SF", "tracking_number": "SF1234567890"}
    cast.operations.post(f"/staff/orders/{order_id}/shipment", parcel)
    wait_for("WeChat to know of the parcel", lambda: _shipped_at_wechat(cast, order_id) or None)
    cast.people["D"].post(f"/orders/{order_id}/receipt")
    cast.sandbox.control(f"/_orders/{order_id}/settle")
    story.tell("顺丰发出，D 确认收货，微信结算货款")
    cast.wait_for_line("A", "refund")
    cast.sandbox.advance(_HOLD_SECONDS)
    story.tell("时钟拨快八天")
    for name, fen in LEFT_FEN.items():
        cast.wait_for_wallet(name, "available_fen", fen)
        story.check_wallet(name, cast.wallet(name), fen)


def _shipped_at_wechat(cast: Cast, order_id: str) -> bool:
    orders = send("GET", f"{cast.sandbox.url}/_state")["orders"]
    return any(order["out_trade_no"] == order_id and order["shipping"] for order in orders)


def _withdraw(story: Story, cast: Cast) -> None:
    story.chapter("提现：A 自动，C 需财务审核  A withdraws unreviewed, C waits for finance")
    small = _request(cast, "A", SMALL_FEN)
    large = _request(cast, "C", LARGE_FEN)
    case = wait_for("C's case in the queue", lambda: _open_case(cast, large))
    story.tell(f"财务看到案件 {case['case_id']}")
    story.check("C 提现中 reserved", cast.wallet("C")["reserved_fen"], LARGE_FEN)
    verdict = {"round": case["round"], "verdict": "approve", "reason": "核对无误"}
    cast.finance.post(f"/staff/cases/{case['case_id']}/decisions", verdict)
    for name, withdrawal_id, net_fen in (("A", small, SMALL_FEN), ("C", large, LARGE_NET_FEN)):
        transfer = wait_for(f"{name}'s transfer", _transfer_of(cast, name, withdrawal_id))
        body = {"package_info": transfer["package_info"]}
        confirmed = cast.sandbox.control(f"/_transfers/{withdrawal_id}/confirm", body)
        story.check(f"{name} 微信到账 transferred", confirmed["transfer_amount"], net_fen)
    paid = {
        name: wait_for(f"{name}'s payout", _paid(cast, name, withdrawal_id))
        for name, withdrawal_id in (("A", small), ("C", large))
    }
    story.check("A 代扣个税 tax", paid["A"]["tax_fen"], 0)
    story.check("C 代扣个税 tax", paid["C"]["tax_fen"], LARGE_TAX_FEN)
    for name, fen in REMAINING_FEN.items():
        story.check_wallet(name, cast.wallet(name), fen)


def _request(cast: Cast, name: str, amount_fen: int) -> str:
    withdrawal = cast.people[name].post("/withdrawals", {"amount_fen": amount_fen}, key=idempotency_key())
    return str(withdrawal["withdrawal_id"])


def _open_case(cast: Cast, withdrawal_id: str) -> dict[str, Any] | None:
    cases: list[dict[str, Any]] = cast.finance.get("/staff/cases?kind=withdrawal&status=open&limit=100")["items"]
    return next((case for case in cases if case["subject_id"] == withdrawal_id), None)


def _transfer_of(cast: Cast, name: str, withdrawal_id: str) -> Callable[[], dict[str, Any] | None]:
    def look() -> dict[str, Any] | None:
        withdrawal: dict[str, Any] = cast.people[name].get(f"/withdrawals/{withdrawal_id}")
        return withdrawal if withdrawal.get("package_info") else None

    return look


def _paid(cast: Cast, name: str, withdrawal_id: str) -> Callable[[], dict[str, Any] | None]:
    def look() -> dict[str, Any] | None:
        withdrawal: dict[str, Any] = cast.people[name].get(f"/withdrawals/{withdrawal_id}")
        return withdrawal if withdrawal["status"] == "paid" else None

    return look


def _report(story: Story, cast: Cast, first_day: date) -> dict[str, Any]:
    """Let the last day end, read the scheduled reports of every day of the story, and add them up."""
    story.chapter("日报  The daily reports")
    cast.wait_for_line("A", "paid")
    cast.wait_for_line("C", "paid")
    last_day = _day(cast)
    cast.sandbox.advance(_DAY_SECONDS)
    days = [first_day + timedelta(days=i) for i in range((last_day - first_day).days + 1)]
    reports = [cast.operations.get(f"/staff/reports/daily/{day}") for day in days]
    for report in reports:
        if report["orders"] or report["withdrawn_fen"]:
            story.tell(f"{report['day']}  订单 {report['orders']}  佣金", report["commission_fen"])
    figures = ("paid_fen", "refunded_fen", "commission_fen", "withdrawn_fen", "tax_fen")
    summary: dict[str, Any] = {figure: sum(report[figure] for report in reports) for figure in figures}
    owed_fen = sum(sum(cast.wallet(name).values()) for name in cast.people)
    # Every posting of every day sums to zero, and what was earned and not withdrawn is what the wallets hold.
    summary["books_balance"] = (
        all(report["books_balance"] for report in reports)
        and owed_fen == summary["commission_fen"] - summary["withdrawn_fen"]
    )
    return summary


def _prove(story: Story, cast: Cast, order_id: str) -> None:
    """Let a commission explain itself, read what the audit found, and verify a proof with the public key alone."""
    story.chapter("说明与证明  Explained, audited, proved")
    promoter = cast.people["C"]
    (part,) = promoter.get(f"/orders/{order_id}/commissions/explain")["parts"]
    for sentence in part["sentences"]:
        story.tell(sentence)
    story.check("C 佣金说明 explained", part["amount_fen"], LEFT_FEN["C"])
    audit = cast.finance.get("/staff/audits/latest")
    story.test(
        f"核对 {audit['counts']['journals']} 笔分录，差异 {audit['difference_count']}", not audit["difference_count"]
    )
    proof = promoter.get(f"/evidence/order~{order_id}~0")
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "proof.json").write_text(json.dumps(proof), encoding="utf-8")
        with urlopen(f"{cast.api_url}/evidence/key", timeout=_TIMEOUT_SECONDS) as key:  # noqa: S310 - our own stack
            Path(directory, "key.pem").write_bytes(key.read())
        command = [sys.executable, "-m", "infra.verify_evidence", "proof.json", "--key", "key.pem"]
        source = os.pathsep.join((str(ROOT), str(ROOT / "layers" / "fenxiao")))
        environment = {"PYTHONPATH": source, "PATH": os.environ["PATH"]}
        done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)
    story.test("存证：C 的分录在已签名的 Merkle 日志中（离线验证）", done.returncode == 0)


def _day(cast: Cast) -> date:
    """Return the test clock's day in Shanghai, the zone in which the sandbox tells the time."""
    return datetime.fromisoformat(send("GET", f"{cast.sandbox.url}/_clock")["now"]).date()


def main() -> int:
    """Tell the story on the running stack, or on one started for it."""
    with running_or_new_stack() as stack:
        return 1 if tell(stack) else 0


if __name__ == "__main__":
    sys.exit(main())
