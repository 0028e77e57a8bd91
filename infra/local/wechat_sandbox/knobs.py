"""The knobs: how the sandbox misbehaves, and what the merchant's account is like. All can be set back at once."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import date

from .exchange import JsonObject, Request
from .fields import FieldError, Fields

_MAX_FAULTS = 1000
_MAX_WORDS = 1000
_MAX_BILL_ROWS = 1000
_MAX_FEN = 10**12


@dataclass(frozen=True, slots=True)
class Fault:
    """One API call that will go wrong: the next whose path prefix and method match (an empty method matches all)."""

    path_prefix: str
    method: str = ""
    status: int = 0
    code: str = ""

    def matches(self, request: Request) -> bool:
        """Say whether the request is one this fault waits for."""
        return request.path.startswith(self.path_prefix) and self.method in ("", request.method)


@dataclass(frozen=True, slots=True)
class BillRow:
    """A row in the bills of a day of something that never happened; a refund names the payment that it is of."""

    bill_date: str
    kind: str
    reference: str
    amount_fen: int
    out_trade_no: str = ""


@dataclass(slots=True)
class Knobs:
    """The current settings. Times are real seconds, since a local network is slow in real time."""

    duplicates: int = 0
    """Each notification is delivered this many extra times."""
    shuffle: int = 0
    """Notifications are held until this many are there (or half a second passed), then sent last first; 0 is off."""
    delay_seconds: float = 0.0
    drop: int = 0
    """The next so many notifications are lost for good; falls to 0 as they come."""
    retry_scale: float = 1 / 30
    """Retries come after the documented wait in test-clock time, or after this share of it in real time."""
    fail_next: list[Fault] = field(default_factory=list)
    """API calls refused without any effect, each once."""
    lose_answer: list[Fault] = field(default_factory=list)
    """API calls that take effect but whose connection is closed without an answer, each once."""
    slow_seconds: float = 0.0
    """Every API call is answered this much later."""
    merchant_balance_fen: int = 10_000_000_00
    """What the merchant can still transfer; transfers take from it, failed and cancelled ones give back."""
    refund_mode: str = "success"
    transfer_mode: str = "success"
    """What happens once the payee confirms or the merchant cancels; `hold` waits for /_transfers/{n}/finish."""
    transfer_first_state: str = "WAIT_USER_CONFIRM"
    """The state in which a transfer is first seen; each later look moves an earlier one a step on."""
    transfer_auto_confirm: bool = False
    transfer_min_fen: int = 10
    transfer_max_fen: int = 200_00
    risky_words: list[str] = field(default_factory=lambda: ["赌博", "毒品"])
    review_words: list[str] = field(default_factory=lambda: ["加微信", "稳赚不赔"])
    bill_leave_out: list[str] = field(default_factory=list)
    """The merchant's numbers of payments, refunds and transfers that bills do not show."""
    bill_amounts: dict[str, int] = field(default_factory=dict)
    """Amounts in fen that bills show instead of the real ones, by the merchant's number."""
    bill_add: list[BillRow] = field(default_factory=list)

    def reset(self) -> None:
        """Set everything back, in place, since others hold on to this object."""
        fresh = Knobs()
        for entry in fields(Knobs):
            setattr(self, entry.name, getattr(fresh, entry.name))

    def change(self, wanted: Fields) -> None:
        """Set the knobs that are named and leave the others.

        Raises:
            FieldError: an unknown knob or a bad value; nothing is changed then.
        """
        unknown = set(wanted.values) - set(_READERS)
        if unknown:
            raise wanted.fail(min(unknown), "没有这个旋钮")
        read = {name: _READERS[name](wanted, name) for name in wanted.values}
        for name, value in read.items():
            setattr(self, name, value)

    def as_json(self) -> JsonObject:
        """Return all settings."""
        return asdict(self)


def take_fault(faults: list[Fault], request: Request) -> Fault | None:
    """Remove and return the first fault that matches the request."""
    for index, fault in enumerate(faults):
        if fault.matches(request):
            return faults.pop(index)
    return None


def _faults(*, needs_status: bool) -> Callable[[Fields, str], list[Fault]]:
    def read(wanted: Fields, name: str) -> list[Fault]:
        if wanted.values.get(name) == []:
            return []
        return [_fault(entry, needs_status=needs_status) for entry in wanted.objects(name, _MAX_FAULTS)]

    return read


def _fault(entry: Fields, *, needs_status: bool) -> Fault:
    unknown = set(entry.values) - {"path_prefix", "method", "status", "code"}
    if unknown:
        raise FieldError(f"{entry.path}/{min(unknown)}", "没有这个字段")
    return Fault(
        path_prefix=entry.text("path_prefix", 300),
        method=entry.optional_text("method", 10).upper(),
        status=entry.integer("status", 200, 599) if needs_status else 0,
        code=entry.text("code", 64) if needs_status else "",
    )


def _bill_rows(wanted: Fields, name: str) -> list[BillRow]:
    if wanted.values.get(name) == []:
        return []
    return [_bill_row(entry) for entry in wanted.objects(name, _MAX_BILL_ROWS)]


def _bill_row(entry: Fields) -> BillRow:
    unknown = set(entry.values) - {"bill_date", "kind", "reference", "amount_fen", "out_trade_no"}
    if unknown:
        raise FieldError(f"{entry.path}/{min(unknown)}", "没有这个字段")
    kind = entry.choice("kind", ("payment", "refund", "transfer"))
    bill_date = entry.text("bill_date", 10, r"\d{4}-\d\d-\d\d")
    try:
        date.fromisoformat(bill_date)
    except ValueError:
        raise entry.fail("bill_date", "没有这一天") from None
    return BillRow(
        bill_date=bill_date,
        kind=kind,
        reference=entry.text("reference", 64, r"[0-9A-Za-z]+"),
        amount_fen=entry.integer("amount_fen", 1, _MAX_FEN),
        out_trade_no=entry.text("out_trade_no", 32, r"[0-9A-Za-z]+") if kind == "refund" else "",
    )


def _bill_amounts(wanted: Fields, name: str) -> dict[str, int]:
    amounts = wanted.object(name)
    return {number: amounts.integer(number, 1, _MAX_FEN) for number in amounts.values}


def _integer(minimum: int, maximum: int) -> Callable[[Fields, str], int]:
    return lambda wanted, name: wanted.integer(name, minimum, maximum)


def _number(maximum: float) -> Callable[[Fields, str], float]:
    return lambda wanted, name: wanted.number(name, 0, maximum)


def _choice(*choices: str) -> Callable[[Fields, str], str]:
    return lambda wanted, name: wanted.choice(name, choices)


def _words(wanted: Fields, name: str) -> list[str]:
    return wanted.texts(name, _MAX_WORDS, 64)


_READERS: dict[str, Callable[[Fields, str], object]] = {
    "duplicates": _integer(0, 20),
    "shuffle": _integer(0, 100),
    "delay_seconds": _number(60),
    "drop": _integer(0, 10_000),
    "retry_scale": _number(1),
    "fail_next": _faults(needs_status=True),
    "lose_answer": _faults(needs_status=False),
    "slow_seconds": _number(60),
    "merchant_balance_fen": _integer(0, _MAX_FEN),
    "refund_mode": _choice("success", "abnormal", "hold"),
    "transfer_mode": _choice("success", "fail", "hold"),
    "transfer_first_state": _choice("ACCEPTED", "PROCESSING", "WAIT_USER_CONFIRM"),
    "transfer_auto_confirm": lambda wanted, name: wanted.boolean(name),
    "transfer_min_fen": _integer(1, _MAX_FEN),
    "transfer_max_fen": _integer(1, _MAX_FEN),
    "risky_words": _words,
    "review_words": _words,
    "bill_leave_out": _words,
    "bill_amounts": _bill_amounts,
    "bill_add": _bill_rows,
}
