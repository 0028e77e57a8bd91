"""What the tests of the deployed stack do over and over: people, goods, orders, payouts, and a look into the tables."""

import base64
import json
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from http import HTTPMethod
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import requests

from infra.local.api_client import ApiError, Caller, Sandbox, idempotency_key, member, send, staff, wait_for
from infra.local.stack import Stack
from infra.local.wechat_sandbox.keys import generate
from infra.local.wechat_sandbox.signing import Keyring

type Json = dict[str, Any]
type RawItem = dict[str, dict[str, Any]]

MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400
HOLD: Final = 8 * DAY
"""A day more than the demo shop's hold."""
NO_MONEY: Final = {"held_fen": 0, "available_fen": 0, "reserved_fen": 0, "debt_fen": 0}
LARGEST_TRANSFER_FEN: Final = 200_000
"""What the demo shop's merchant has been granted."""
TIMEOUT_SECONDS: Final = 40


@dataclass
class Person:
    """A mini-program user, who is a member of the shop from the first call on."""

    name: str
    caller: Caller

    @cached_property
    def member_id(self) -> str:
        return str(self.caller.get("/members/me")["member_id"])

    @cached_property
    def address_id(self) -> str:
        address = {
            "recipient": "丁女士",
            "phone": "13800000000",
            "region": "浙江省杭州市西湖区",
            "street": "龙井路 1 号",
        }
        return str(self.caller.post("/addresses", address)["address_id"])

    def get(self, path: str) -> Any:
        return self.caller.get(path)

    def post(self, path: str, body: object = None, key: str | None = None) -> Any:
        return self.caller.post(path, body, key)

    @property
    def wallet(self) -> dict[str, int]:
        """The figures of commission."""
        found: Json = self.get("/wallet")
        return {figure: found[figure] for figure in NO_MONEY}

    def pages(self, path: str, limit: int) -> list[Json]:
        """Read a list to its end, page by page."""
        return all_pages(self.get, path, limit)


@dataclass
class World:
    """A deployed stack with the demo shop, and the shop's keepers."""

    stack: Stack
    sandbox: Sandbox
    operations: Caller
    finance: Caller
    finance_lead: Caller
    keyring: Keyring = field(repr=False)

    # --- people and goods

    def person(self, role: str = "person") -> Person:
        """Return somebody whom the shop has not met."""
        name = f"{role}-{secrets.token_hex(6)}"
        return Person(name, member(self.stack.api_url, self.sandbox, name))

    def promoter(self, role: str = "promoter") -> Person:
        """Return a new promoter without an upline."""
        person = self.person(role)
        person.post("/promoters")
        return person

    def invite(self, owner: Person, **limits: int) -> str:
        """Return a new invite code."""
        return str(owner.post("/invites", limits)["invite_code"])

    def bind(self, below: Person, above: Person) -> None:
        """Bind one person under another."""
        below.post("/relation", {"invite_code": self.invite(above)})

    def chain(self, *roles: str) -> list[Person]:
        """Return promoters of whom each is bound under the one before."""
        people = [self.promoter(role) for role in roles]
        for above, below in pairwise(people):
            self.bind(below, above)
        return people

    def product(self, price_fen: int, stock: int = 1000, category: str = "plain") -> Json:
        """Put a product with one SKU on sale; category `plain` earns the base rates, 10, 5 and 2 per cent."""
        skus = [{"title": "标准", "price_fen": price_fen, "stock": stock}]
        body = {"title": f"货-{secrets.token_hex(4)}", "category": category, "is_virtual": False, "skus": skus}
        created: Json = self.operations.post("/staff/products", body)
        return created

    def sku(self, price_fen: int, stock: int = 1000) -> str:
        """Put a product on sale and return its SKU."""
        return str(self.product(price_fen, stock)["skus"][0]["sku_id"])

    # --- orders

    def place(self, buyer: Person, lines: Mapping[str, int], key: str | None = None) -> str:
        """Place an order of so many pieces by SKU and return its id."""
        wanted = [{"sku_id": sku_id, "quantity": quantity} for sku_id, quantity in lines.items()]
        body = {"address_id": buyer.address_id, "lines": wanted}
        return str(buyer.post("/orders", body, key or idempotency_key())["order_id"])

    def pay(self, buyer: Person, order_id: str) -> None:
        """Prepay and pay; the notification may still be under way."""
        self.sandbox.pay(buyer.post(f"/orders/{order_id}/prepay"))

    def wait_for_status(self, buyer: Person, order_id: str, status: str) -> Json:
        """Wait until an order has come to a status and return it."""

        def look() -> Json | None:
            order: Json = buyer.get(f"/orders/{order_id}")
            return order if order["status"] == status else None

        return wait_for(f"the order to be {status}", look, TIMEOUT_SECONDS)

    def paid_order(self, buyer: Person, lines: Mapping[str, int]) -> str:
        """Place and pay an order, and return its id once the shop knows of the payment."""
        order_id = self.place(buyer, lines)
        self.pay(buyer, order_id)
        self.wait_for_status(buyer, order_id, "paid")
        return order_id

    def deliver(self, buyer: Person, order_id: str) -> None:
        """Ship a paid order, receive it, and let WeChat release the money."""
        parcel = {"carrier": "YTO", "tracking_number": "YT1234567890"}
        self.operations.post(f"/staff/orders/{order_id}/shipment", parcel)

        def settled() -> bool | None:
            with suppress(ApiError):  # WeChat refuses until it knows of the parcel
                self.sandbox.control(f"/_orders/{order_id}/settle")
                return True
            return None

        wait_for("WeChat to know of the parcel", settled, TIMEOUT_SECONDS)
        buyer.post(f"/orders/{order_id}/receipt")

    def refund(self, order_id: str, key: str | None = None, **what: object) -> Json:
        """Create a refund of `lines`, `amount_fen` or `all`."""
        body = {"reason": "七天无理由退货", **what}
        created: Json = self.operations.post(f"/staff/orders/{order_id}/refunds", body, key or idempotency_key())
        return created

    def wait_for_refund(self, order_id: str, refund_id: str, status: str = "succeeded") -> Json:
        """Wait until a refund has come to a status and return it."""

        def look() -> Json | None:
            refunds: list[Json] = self.staff_order(order_id)["refunds"]
            return next((one for one in refunds if one["refund_id"] == refund_id and one["status"] == status), None)

        return wait_for(f"the refund to be {status}", look, TIMEOUT_SECONDS)

    def staff_order(self, order_id: str) -> Json:
        """Return an order as staff see it."""
        order: Json = self.operations.get(f"/staff/orders/{order_id}")
        return order

    def sale(self, promoter: Person, commission_fen: int) -> tuple[Person, str]:
        """Let a new buyer under the promoter pay an order that earns so much; return buyer and order."""
        buyer = self.person("buyer")
        self.bind(buyer, promoter)
        return buyer, self.paid_order(buyer, {self.sku(commission_fen * 10): 1})

    def settled_sale(self, promoter: Person, commission_fen: int) -> tuple[Person, str]:
        """Let a sale earn so much, and pass the hold."""
        buyer, order_id = self.sale(promoter, commission_fen)
        self.wait_for_line(promoter, "earn", order_id)
        self.deliver(buyer, order_id)
        self.sandbox.advance(HOLD)
        self.wait_for_line(promoter, "settle", order_id)
        return buyer, order_id

    def earner(self, available_fen: int) -> Person:
        """Return a promoter who may withdraw so much."""
        promoter = self.promoter()
        self.settled_sale(promoter, available_fen)
        assert promoter.wallet == {**NO_MONEY, "available_fen": available_fen}
        return promoter

    # --- wallets and withdrawals

    def wait_for_wallet(self, person: Person, **figures: int) -> None:
        """Wait until a wallet is exactly so; figures that are not named are zero."""
        wanted = {**NO_MONEY, **figures}
        seen: list[dict[str, int]] = []

        def look() -> bool | None:
            seen[:] = [person.wallet]
            return True if seen[0] == wanted else None

        try:
            wait_for(f"{person.name}'s wallet", look, TIMEOUT_SECONDS)
        except TimeoutError:
            assert seen[0] == wanted  # says what it is instead
            raise

    def wait_for_line(self, person: Person, event: str, source: str) -> None:
        """Wait for a line of a statement: by then its journal is posted."""

        def look() -> bool | None:
            lines = person.get("/statement?limit=100")["items"]
            return True if any((line["event"], line["source"]) == (event, source) for line in lines) else None

        wait_for(f"{person.name}'s line {event} of {source}", look, TIMEOUT_SECONDS)

    def withdraw(self, person: Person, amount_fen: int, **more: str) -> str:
        """Ask for a withdrawal and return its id."""
        body = {"amount_fen": amount_fen, **more}
        return str(person.post("/withdrawals", body, idempotency_key())["withdrawal_id"])

    def wait_for_withdrawal(self, person: Person, withdrawal_id: str, status: str) -> Json:
        """Wait until a withdrawal has come to a status and return it."""
        seen: list[Json] = []

        def look() -> Json | None:
            seen[:] = [person.get(f"/withdrawals/{withdrawal_id}")]
            return seen[0] if seen[0]["status"] == status else None

        try:
            return wait_for(f"the withdrawal to be {status}", look, TIMEOUT_SECONDS)
        except TimeoutError:
            assert seen[0]["status"] == status  # says what it is instead
            raise

    def wait_for_turn(self, person: Person, withdrawal_id: str) -> str:
        """Wait until a withdrawal waits for a reviewer or for its payee, and return its status."""

        def look() -> str | None:
            status = str(person.get(f"/withdrawals/{withdrawal_id}")["status"])
            return status if status in {"in_review", "transferring"} else None

        return wait_for("the withdrawal's turn", look, TIMEOUT_SECONDS)

    def wait_for_package(self, person: Person, withdrawal_id: str) -> Json:
        """Wait until the payee can confirm, and the machine waits for the end."""

        def look() -> Json | None:
            withdrawal: Json = person.get(f"/withdrawals/{withdrawal_id}")
            if not withdrawal.get("package_info"):
                return None
            (item,) = self.withdrawal_items(withdrawal_id)
            return withdrawal if json.loads(item["data"]["S"])["end_token"] else None

        return wait_for("the transfer", look, TIMEOUT_SECONDS)

    def confirm(self, person: Person, withdrawal_id: str) -> None:
        """Let the payee confirm the transfer as soon as that is possible."""
        package = self.wait_for_package(person, withdrawal_id)["package_info"]
        self.confirm_at_wechat(withdrawal_id, package_info=package)

    def confirm_at_wechat(self, withdrawal_id: str, **shown: str) -> None:
        """Play the payee's confirmation."""
        self.sandbox.control(f"/_transfers/{withdrawal_id}/confirm", shown)

    def paid_withdrawal(self, person: Person, amount_fen: int) -> str:
        """Withdraw an amount that needs no reviewer, to the end."""
        withdrawal_id = self.withdraw(person, amount_fen)
        self.confirm(person, withdrawal_id)
        self.wait_for_withdrawal(person, withdrawal_id, "paid")
        return withdrawal_id

    def wait_for_case(self, subject_id: str, kind: str = "withdrawal") -> Json:
        """Wait until a case on a withdrawal, or on a report about an order, is open; return it."""

        def look() -> Json | None:
            cases = all_pages(self.finance.get, f"/staff/cases?kind={kind}&status=open", 100)
            return next((case for case in cases if case["subject_id"].split("/")[0] == subject_id), None)

        return wait_for("the case", look, TIMEOUT_SECONDS)

    def wait_for_round(self, withdrawal_id: str, number: int) -> Json:
        """Wait until the case on a withdrawal has come to a round and return it."""

        def look() -> Json | None:
            case = self.wait_for_case(withdrawal_id)
            return case if case["round"] == number else None

        return wait_for(f"round {number}", look, TIMEOUT_SECONDS)

    def first_transferring(self, person: Person, withdrawal_ids: Collection[str]) -> str:
        """Wait until one of the withdrawals is being transferred and return its id."""

        def look() -> str | None:
            found = {one["withdrawal_id"]: one["status"] for one in person.get("/withdrawals")["items"]}
            return next((one for one in withdrawal_ids if found[one] == "transferring"), None)

        return wait_for("a transfer", look, TIMEOUT_SECONDS)

    def case(self, case_id: str) -> Json:
        """Return a case with its decisions."""
        found: Json = self.finance.get(f"/staff/cases/{case_id}")
        return found

    def decide(self, reviewer: Caller, case: Json, verdict: str) -> Json:
        """Decide on a case in the round in which it was seen."""
        body = {"round": case["round"], "verdict": verdict, "reason": "看过了"}
        decided: Json = reviewer.post(f"/staff/cases/{case['case_id']}/decisions", body)
        return decided

    def set_standing(self, person: Person, standing: str) -> None:
        """Suspend or reinstate a promoter."""
        body = {"standing": standing, "reason": "测试"}
        self.operations.call(HTTPMethod.PUT, f"/staff/members/{person.member_id}/standing", body)

    @contextmanager
    def rules(self, title: str, terms: Json) -> Iterator[None]:
        """Publish rules, which take effect five minutes later, and put those of the demo shop back afterwards."""
        draft = self.operations.post("/rules/drafts", {"title": title, "terms": terms})
        path = f"/rules/{draft['draft_id']}"
        self.operations.post(f"{path}/validate")
        yesterday = (self.now() - timedelta(days=1)).date().isoformat()
        self.operations.post(f"{path}/simulate", {"from": yesterday, "to": yesterday})

        def simulated() -> Json | None:
            found: Json = self.operations.get(path)
            return found if found["status"] == "simulated" else None

        revision = wait_for("the simulation", simulated, TIMEOUT_SECONDS)["revision"]
        self.finance_lead.post(f"{path}/approval", {"revision": revision, "verdict": "approve", "comment": "同意"})
        self.operations.post(f"{path}/publication", {})
        try:
            yield
        finally:
            self.finance_lead.post("/rules/rollback", {"to_version": 1, "reason": "测试结束"})
            self.sandbox.advance(6 * MINUTE)

    # --- what WeChat holds

    def at_wechat(self, kind: str, name: str, number: str) -> list[Json]:
        """Return the records of a kind that WeChat holds under a number."""
        records: list[Json] = send("GET", f"{self.sandbox.url}/_state")[kind]
        return [one for one in records if one[name] == number]

    def transfers_at_wechat(self, withdrawal_id: str) -> list[Json]:
        """Return WeChat's bills of a withdrawal."""
        return self.at_wechat("transfers", "out_bill_no", withdrawal_id)

    def refunds_at_wechat(self, order_id: str) -> list[Json]:
        """Return WeChat's refunds of an order."""
        return self.at_wechat("refunds", "out_trade_no", order_id)

    def payments_at_wechat(self, order_id: str) -> list[Json]:
        """Return WeChat's payments of an order."""
        return self.at_wechat("orders", "out_trade_no", order_id)

    def wait_for_refunds_at_wechat(self, order_id: str, count: int = 1) -> list[Json]:
        """Wait until WeChat was asked for so many refunds of an order."""

        def look() -> list[Json] | None:
            refunds = self.refunds_at_wechat(order_id)
            return refunds if len(refunds) == count else None

        return wait_for("the refunds at WeChat", look, TIMEOUT_SECONDS)

    def notifications_about(self, number: str) -> list[Json]:
        """Return the notifications about a number, with all attempts."""
        return self.at_wechat("notifications", "subject", number)

    def answers_to(self, number: str, count: int) -> list[int | None]:
        """Wait until a number was told of so many times; return each answer's status, `None` if none came in time."""

        def look() -> list[int | None] | None:
            told = self.notifications_about(number)
            statuses = [attempt["status"] for one in told for attempt in one["attempts"]]
            return statuses if len(statuses) >= count else None

        return wait_for(f"{count} notifications about {number}", look, TIMEOUT_SECONDS)

    def knobs(self) -> Json:
        """Return how the sandbox's knobs stand."""
        found: Json = send("GET", f"{self.sandbox.url}/_knobs")
        return found

    def wait_for_knob(self, name: str, value: object) -> None:
        """Wait until a knob that counts down has come to a value."""
        wait_for(f"knob {name}", lambda: True if self.knobs()[name] == value else None, TIMEOUT_SECONDS)

    def now(self) -> datetime:
        """Return the test clock's time."""
        return datetime.fromisoformat(send("GET", f"{self.sandbox.url}/_clock")["now"])

    def start_of_month(self) -> None:
        """Move the clock to the first day of the next Shanghai month, so that a story stays within one."""
        now = self.now()
        year, month = divmod(now.year * 12 + now.month, 12)
        first = now.replace(year=year, month=month + 1, day=1, hour=0, minute=1, second=0)
        self.sandbox.advance(int((first - now).total_seconds()))

    def notify(self, channel: str, body: bytes, headers: Mapping[str, str]) -> requests.Response:
        """Deliver what claims to be a notification of WeChat Pay."""
        url = f"{self.stack.api_url}/wechat/notifications/{channel}"
        return requests.post(url, body, headers=dict(headers), timeout=TIMEOUT_SECONDS)

    # --- the tables

    @cached_property
    def resources(self) -> dict[str, str]:
        """Names of what the template made, by logical id."""
        client: Any = self.stack.client("cloudformation")
        found = client.describe_stack_resources(StackName=self.stack.stack_name)["StackResources"]
        return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in found}

    @cached_property
    def dynamodb(self) -> Any:
        """A client with all rights."""
        return self.stack.client("dynamodb")

    def items(self, table: str, pk: str) -> list[RawItem]:
        """Return everything under a partition key, read consistently."""
        answer = self.dynamodb.query(
            TableName=self.resources[table],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}},
            ConsistentRead=True,
        )
        found: list[RawItem] = answer["Items"]
        return found

    def scan(self, table: str) -> list[RawItem]:
        """Return the whole of a table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.resources[table], ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def order_items(self, order_id: str) -> list[RawItem]:
        """Return an order with its refunds as stored."""
        return self.items("OrderTable", order_id)

    def withdrawal_items(self, withdrawal_id: str) -> list[RawItem]:
        """Return a withdrawal as stored."""
        return self.items("WithdrawalTable", withdrawal_id)

    def events(self, collection: str) -> list[str]:
        """Return the events of a collection's journals, in order."""
        return [item["event"]["S"] for item in self.items("LedgerTable", collection)]


def new_world(stack: Stack) -> World:
    """Return the world of a stack."""
    logins: Any = stack.seed["staff"]
    callers = {role: staff(stack.api_url, **login) for role, login in logins.items()}
    return World(
        stack=stack,
        sandbox=Sandbox(stack.sandbox_url),
        keyring=Keyring(generate(Path(stack.keys_directory))),
        operations=callers["operations"],
        finance=callers["finance"],
        finance_lead=callers["finance_lead"],
    )


def refusal(do: Callable[..., object], *arguments: object) -> tuple[int, str]:
    """Return status and code of the problem with which something is refused."""
    try:
        answer = do(*arguments)
    except ApiError as error:
        return error.status, error.code
    raise AssertionError(f"not refused: {answer}")


def all_pages(get: Callable[[str], Any], path: str, limit: int, max_pages: int = 100) -> list[Json]:
    """Read a list to its end, page by page."""
    items: list[Json] = []
    first = f"{path}{'&' if '?' in path else '?'}limit={limit}"
    page = get(first)
    for _ in range(max_pages):
        assert len(page["items"]) <= limit
        items += page["items"]
        if not page.get("next_cursor"):
            return items
        page = get(f"{first}&cursor={page['next_cursor']}")
    raise AssertionError(f"{path} does not end")


# --- notifications that WeChat did not send -------------------------------------------------------------------------

FORGERIES: Final = {
    "bad_signature": "notification_bad_signature",
    "probe": "notification_bad_signature",
    "stale": "notification_stale",
    "future": "notification_stale",
    "unknown_serial": "notification_unknown_serial",
    "unsigned": "notification_unsigned",
    "mangled_ciphertext": "notification_mangled",
    "mangled_body": "notification_bad_signature",
    "foreign_merchant": "notification_foreign_merchant",
    "other_event": "notification_unexpected",
}
"""Ways in which a notification can be false, each with the code of its refusal."""


@dataclass(frozen=True)
class Notice:
    """What a genuine notification would say."""

    channel: str
    event_type: str
    kind: str
    resource: Json


def payment_notice(world: World, order_id: str) -> Notice:
    """Return the notice of an order's payment, whether it was made or not."""
    (order,) = world.payments_at_wechat(order_id)
    amount = {"total": order["amount_fen"], "payer_total": order["amount_fen"], "currency": "CNY"}
    resource = {
        "appid": world.keyring.keys.appid,
        "mchid": world.keyring.keys.mchid,
        "out_trade_no": order_id,
        "transaction_id": "4200" + f"{secrets.randbelow(10**24):024d}",
        "trade_state": "SUCCESS",
        "success_time": world.now().isoformat(),
        "payer": {"openid": order["openid"]},
        "amount": amount,
    }
    return Notice("payments", "TRANSACTION.SUCCESS", "transaction", resource)


def refund_notice(world: World, order_id: str) -> Notice:
    """Return the notice that the order's only refund succeeded."""
    (refund,) = world.refunds_at_wechat(order_id)
    resource = {
        "mchid": world.keyring.keys.mchid,
        "transaction_id": refund["transaction_id"],
        "out_trade_no": order_id,
        "refund_id": refund["refund_id"],
        "out_refund_no": refund["out_refund_no"],
        "refund_status": "SUCCESS",
        "success_time": world.now().isoformat(),
        "amount": {"total": refund["total_fen"], "refund": refund["amount_fen"]},
    }
    return Notice("refunds", "REFUND.SUCCESS", "refund", resource)


def transfer_notice(world: World, withdrawal_id: str, state: str = "SUCCESS") -> Notice:
    """Return the notice that a transfer has ended."""
    (transfer,) = world.transfers_at_wechat(withdrawal_id)
    resource = {
        "mch_id": world.keyring.keys.mchid,
        "out_bill_no": withdrawal_id,
        "transfer_bill_no": transfer["transfer_bill_no"],
        "state": state,
        "transfer_amount": transfer["amount_fen"],
        "openid": transfer["openid"],
        "create_time": transfer["created_at"],
        "update_time": world.now().isoformat(),
    }
    return Notice("transfers", "MCHTRANSFER.BILL.FINISHED", "mch_payment", resource)


def deliver(world: World, notice: Notice, forgery: str = "") -> requests.Response:
    """Deliver a notice as WeChat would, but for the one point in which it is false."""
    event_type, resource = notice.event_type, notice.resource
    if forgery == "other_event":
        event_type = "COUPON.USE"
    if forgery == "foreign_merchant":
        resource = resource | {name: "1900000001" for name in ("mchid", "mch_id") if name in resource}
    sealed = world.keyring.seal_resource(json.dumps(resource).encode(), notice.kind)
    if forgery == "mangled_ciphertext":
        raw = bytearray(base64.b64decode(sealed["ciphertext"]))
        raw[len(raw) // 2] ^= 1
        sealed["ciphertext"] = base64.b64encode(raw).decode()
    envelope = {
        "id": secrets.token_hex(16),
        "create_time": world.now().isoformat(),
        "resource_type": "encrypt-resource",
        "event_type": event_type,
        "summary": "",
        "resource": sealed,
    }
    body = json.dumps(envelope).encode()
    skew = {"stale": -301, "future": 301}.get(forgery, 0)
    headers = {"Content-Type": "application/json", **world.keyring.platform_headers(body, int(time.time()) + skew)}
    match forgery:
        case "bad_signature":
            headers["Wechatpay-Signature"] = world.keyring.platform_signature("something else")
        case "probe":
            headers["Wechatpay-Signature"] = "WECHATPAY/SIGNTEST/" + headers["Wechatpay-Signature"]
        case "unknown_serial":
            headers["Wechatpay-Serial"] = "PUB_KEY_ID_01" + "7" * 32
        case "unsigned":
            del headers["Wechatpay-Signature"]
        case "mangled_body":
            body = body.replace(b'"summary": ""', b'"summary": "x"')
    return world.notify(notice.channel, body, headers)


def assert_refused(answer: requests.Response, status: int, code: str, what: str) -> None:
    """Check that an answer is a problem document of this status and code."""
    assert (answer.status_code, answer.json()["code"]) == (status, code), f"{what}: {answer.text}"
    assert answer.headers["Content-Type"] == "application/problem+json"
