"""Delivery of notifications and message pushes: a queue, workers, retries, and a record of every attempt."""

import heapq
import http.client
import itertools
import threading
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

from .clock import VirtualClock, epoch, rfc3339
from .exchange import JsonObject, encode
from .knobs import Knobs
from .signing import Keyring

TIMEOUT_SECONDS = 5.0
MAX_NOTIFICATIONS = 2000
MAX_ATTEMPTS_KEPT = 64
_MAX_ANSWER_BYTES = 64 * 1024
_EXCERPT_CHARACTERS = 500
_SHUFFLE_HOLD_SECONDS = 0.5

_MINUTE, _HOUR = 60, 3600
PAY_RETRY_SECONDS = (
    *(15, 15, 30, 3 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, 30 * _MINUTE, 30 * _MINUTE, 30 * _MINUTE, 60 * _MINUTE),
    *(3 * _HOUR, 3 * _HOUR, 3 * _HOUR, 6 * _HOUR, 6 * _HOUR),
)
"""Pay v3's documented waits between attempts (payment result notification)."""
MESSAGE_RETRY_SECONDS = (5, 5, 5)
"""The message push is repeated three times when five seconds pass without an answer."""


class Channel(StrEnum):
    """How a notification is signed, and what counts as received."""

    PAY = "pay"
    MESSAGE = "message"


class DeliveryState(StrEnum):
    """What became of a notification."""

    PENDING = "pending"
    DELIVERED = "delivered"
    LOST = "lost"
    GAVE_UP = "gave_up"
    FORGED = "forged"


class AttemptKind(StrEnum):
    """Why an attempt was made."""

    FIRST = "first"
    DUPLICATE = "duplicate"
    RETRY = "retry"
    REDELIVERY = "redelivery"
    DROPPED = "dropped"
    FORGERY = "forgery"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One delivery and its answer; `status` is nothing when no answer came."""

    kind: AttemptKind
    started_at: datetime
    duration_ms: int = 0
    status: int | None = None
    body: str = ""
    error: str = ""
    acknowledged: bool = False


@dataclass(slots=True)
class Notification:
    """Something WeChat has to tell the merchant; the body stays the same over all attempts, signatures are new."""

    id: str
    channel: Channel
    event_type: str
    subject: str
    path: str
    body: bytes
    created_at: datetime
    encrypted: str = ""
    state: DeliveryState = DeliveryState.PENDING
    failures: int = 0
    attempts: list[Attempt] = field(default_factory=list)


@dataclass(slots=True)
class Deployment:
    """Where the deployed functions are; unset until the stack is up."""

    api_url: str = ""
    lambda_endpoint: str = ""
    scheduled_functions: tuple[str, ...] = ()
    message_path: str = "/wechat/messages"


@dataclass(frozen=True, slots=True)
class _Task:
    notification: Notification
    kind: AttemptKind
    due_at: datetime
    """Test-clock time at which it is due even if the real wait is not over."""


def pay_notification(
    keyring: Keyring,
    clock: VirtualClock,
    event_type: str,
    summary: str,
    kind: str,
    subject: str,
    url: str,
    resource: JsonObject,
) -> Notification:
    """Return a Pay v3 notification with its sealed resource (`kind` is the original type), addressed by path."""
    now = clock.now()
    identifier = str(uuid.uuid4())
    body = encode(
        {
            "id": identifier,
            "create_time": rfc3339(now),
            "resource_type": "encrypt-resource",
            "event_type": event_type,
            "summary": summary,
            "resource": keyring.seal_resource(encode(resource), kind),
        }
    )
    return Notification(identifier, Channel.PAY, event_type, subject, urlsplit(url).path or "/", body, now)


def message_notification(
    keyring: Keyring, clock: VirtualClock, original_id: str, event: str, subject: str, path: str, details: JsonObject
) -> Notification:
    """Return an encrypted message push with an event (XML, secure mode)."""
    now = clock.now()
    values: JsonObject = {
        "ToUserName": original_id,
        "FromUserName": "o" + "0" * 27,  # a system account
        "CreateTime": epoch(now),
        "MsgType": "event",
        "Event": event,
        **details,
    }
    encrypted = keyring.encrypt_message(_xml(values))
    body = _xml({"ToUserName": original_id, "Encrypt": encrypted}).encode()
    return Notification(str(uuid.uuid4()), Channel.MESSAGE, event, subject, path, body, now, encrypted=encrypted)


def _xml(values: JsonObject) -> str:
    """Return WeChat's flat XML; texts are CDATA, so a closing mark inside them is split."""
    parts = []
    for name, value in values.items():
        content = (
            str(value) if isinstance(value, int) else f"<![CDATA[{str(value).replace(']]>', ']]]]><![CDATA[>')}]]>"
        )
        parts.append(f"<{name}>{content}</{name}>")
    return f"<xml>{''.join(parts)}</xml>"


class Notifier:
    """Delivers notifications from worker threads. The lock is the sandbox's own and is never held while sending."""

    def __init__(
        self,
        lock: threading.RLock,
        clock: VirtualClock,
        keyring: Keyring,
        knobs: Knobs,
        deployment: Deployment,
        workers: int,
    ) -> None:
        self.kept: dict[str, Notification] = {}
        self._changed = threading.Condition(lock)
        self._clock = clock
        self._keyring = keyring
        self._knobs = knobs
        self._deployment = deployment
        self._queue: list[tuple[float, int, _Task]] = []
        self._sequence = itertools.count()
        self._held: list[_Task] = []
        self._held_until = 0.0
        self._in_flight = 0
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"notifier-{number}", daemon=True) for number in range(workers)
        ]

    def start(self) -> None:
        """Start the workers."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop the workers; what is queued is forgotten."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def submit(self, notification: Notification) -> None:
        """Queue a notification, as the knobs have it: lost, repeated, held back or late."""
        with self._changed:
            self._keep(notification)
            now = self._clock.now()
            if self._knobs.drop > 0:
                self._knobs.drop -= 1
                notification.state = DeliveryState.LOST
                notification.attempts.append(Attempt(AttemptKind.DROPPED, now))
                return
            due_at = now + timedelta(seconds=self._knobs.delay_seconds)
            kinds = [AttemptKind.FIRST, *[AttemptKind.DUPLICATE] * self._knobs.duplicates]
            tasks = [_Task(notification, kind, due_at) for kind in kinds]
            if self._knobs.shuffle > 1:
                if not self._held:
                    self._held_until = time.monotonic() + _SHUFFLE_HOLD_SECONDS
                self._held.extend(tasks)
            else:
                self._push(tasks, self._knobs.delay_seconds)
            self._changed.notify_all()

    def deliver_now(self, notification: Notification, kind: AttemptKind) -> Attempt:
        """Deliver once in the caller's thread, outside the queue, and record the attempt."""
        attempt = self._attempt(notification, kind)
        with self._changed:
            self._record(notification, attempt)
        return attempt

    def deliver_forgery(self, notification: Notification, headers: dict[str, str]) -> Attempt:
        """Deliver once with the given headers instead of honest ones, and record the attempt."""
        notification.state = DeliveryState.FORGED
        attempt = self._send(notification, AttemptKind.FORGERY, notification.path, headers)
        with self._changed:
            self._keep(notification)
            self._record(notification, attempt)
        return attempt

    def hasten(self) -> None:
        """Make everything due at once whose test-clock time has come; called when the clock has moved."""
        with self._changed:
            now = self._clock.now()
            self._queue = [(0.0 if task.due_at <= now else due, sequence, task) for due, sequence, task in self._queue]
            heapq.heapify(self._queue)
            self._release_held()
            self._changed.notify_all()

    def pending(self) -> int:
        """Return how many deliveries are queued, held or under way."""
        with self._changed:
            return len(self._queue) + len(self._held) + self._in_flight

    def wait_idle(self, timeout_seconds: float, *, with_retries: bool) -> bool:
        """Wait until nothing is queued or under way; without retries, until nothing is due right now."""
        deadline = time.monotonic() + timeout_seconds
        with self._changed:
            while self._busy(with_retries=with_retries):
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    return False
                self._changed.wait(remaining)
            return True

    def _busy(self, *, with_retries: bool) -> bool:
        if self._in_flight or self._held:
            return True
        return bool(self._queue) and (with_retries or self._queue[0][0] <= time.monotonic())

    def _keep(self, notification: Notification) -> None:
        self.kept[notification.id] = notification
        if len(self.kept) > MAX_NOTIFICATIONS:
            done = (entry.id for entry in self.kept.values() if entry.state is not DeliveryState.PENDING)
            del self.kept[next(done, next(iter(self.kept)))]

    def _push(self, tasks: list[_Task], wait_seconds: float) -> None:
        due = time.monotonic() + wait_seconds
        for task in tasks:
            heapq.heappush(self._queue, (due, next(self._sequence), task))

    def _release_held(self) -> None:
        """Queue what the shuffle knob holds, last first: the one order that is surely not the right one."""
        self._push(self._held[::-1], self._knobs.delay_seconds)
        self._held.clear()

    def _work(self) -> None:
        while (task := self._next()) is not None:
            attempt = self._attempt(task.notification, task.kind)
            with self._changed:
                self._record(task.notification, attempt)
                self._retry(task)
                self._in_flight -= 1
                self._changed.notify_all()

    def _next(self) -> _Task | None:
        with self._changed:
            while not self._stopped:
                now = time.monotonic()
                if self._held and (len(self._held) >= self._knobs.shuffle or now >= self._held_until):
                    self._release_held()
                if self._queue and self._queue[0][0] <= now:
                    self._in_flight += 1
                    return heapq.heappop(self._queue)[2]
                waits = [self._queue[0][0]] if self._queue else []
                waits += [self._held_until] if self._held else []
                self._changed.wait(max(0.0, min(waits) - now) if waits else None)
            return None

    def _record(self, notification: Notification, attempt: Attempt) -> None:
        notification.attempts.append(attempt)
        del notification.attempts[:-MAX_ATTEMPTS_KEPT]
        if attempt.acknowledged and notification.state is not DeliveryState.FORGED:
            notification.state = DeliveryState.DELIVERED

    def _retry(self, task: _Task) -> None:
        notification = task.notification
        if notification.state is not DeliveryState.PENDING or task.kind is AttemptKind.DUPLICATE:
            return
        schedule = PAY_RETRY_SECONDS if notification.channel is Channel.PAY else MESSAGE_RETRY_SECONDS
        if notification.failures == len(schedule):
            notification.state = DeliveryState.GAVE_UP
            return
        wait_seconds = schedule[notification.failures]
        notification.failures += 1
        due_at = self._clock.now() + timedelta(seconds=wait_seconds)
        self._push([_Task(notification, AttemptKind.RETRY, due_at)], wait_seconds * self._knobs.retry_scale)

    def _attempt(self, notification: Notification, kind: AttemptKind) -> Attempt:
        timestamp = epoch(self._clock.wall())
        if notification.channel is Channel.PAY:
            headers = pay_headers(self._keyring, notification, timestamp)
            return self._send(notification, kind, notification.path, headers)
        query = urlencode(self._keyring.message_query(notification.encrypted, timestamp))
        return self._send(notification, kind, f"{notification.path}?{query}", {"Content-Type": "text/xml"})

    def _send(self, notification: Notification, kind: AttemptKind, target: str, headers: dict[str, str]) -> Attempt:
        started_at, started = self._clock.now(), time.monotonic()
        status: int | None = None
        body, error = "", ""
        try:
            status, body = _post(self._deployment.api_url, target, headers, notification.body)
        except (OSError, http.client.HTTPException) as problem:
            error = f"{type(problem).__name__}: {problem}"[:_EXCERPT_CHARACTERS]
        return Attempt(
            kind,
            started_at,
            duration_ms=round((time.monotonic() - started) * 1000),
            status=status,
            body=body[:_EXCERPT_CHARACTERS],
            error=error,
            acknowledged=_acknowledged(notification.channel, status, body),
        )


def pay_headers(keyring: Keyring, notification: Notification, timestamp: int) -> dict[str, str]:
    """Return the honest headers of a Pay v3 notification signed at the wall-clock timestamp."""
    return {
        "Content-Type": "application/json",
        "Request-ID": notification.id,
        "User-Agent": "Mozilla/4.0",
        **keyring.platform_headers(notification.body, timestamp),
    }


def _acknowledged(channel: Channel, status: int | None, body: str) -> bool:
    if channel is Channel.PAY:
        return status in (HTTPStatus.OK, HTTPStatus.NO_CONTENT)
    return status == HTTPStatus.OK and body.strip() == "success"


def _post(api_url: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
    """POST the body to the deployed API and return the status and the text of the answer."""
    parts = urlsplit(api_url)
    if not parts.hostname:
        raise ConnectionError("api_url is not set yet (PUT /_config)")
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("POST", parts.path.rstrip("/") + target, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(_MAX_ANSWER_BYTES).decode("utf-8", "replace")
    finally:
        connection.close()
