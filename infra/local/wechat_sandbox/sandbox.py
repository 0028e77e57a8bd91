"""The sandbox as one object: keys, clock, state, knobs and the notifier, under one lock."""

import threading
from collections.abc import Callable
from datetime import datetime

from .clock import VirtualClock, wall_now
from .credentials import AccessTokens, SeenNonces
from .exchange import ApiError
from .knobs import Knobs
from .notifications import Deployment, Notifier
from .signing import Keyring
from .state import State, User


class Sandbox:
    """Everything WeChat's side consists of. Handlers run while `lock` is held; deliveries never hold it."""

    def __init__(self, keyring: Keyring, wall: Callable[[], datetime] = wall_now, workers: int = 4) -> None:
        self.lock = threading.RLock()
        self.advancing = threading.Lock()
        """Held by the one /_clock/advance that runs, so that two never mix their functions."""
        self.keyring = keyring
        self.keys = keyring.keys
        self.clock = VirtualClock(wall)
        self.state = State()
        self.knobs = Knobs()
        self.deployment = Deployment()
        self.tokens = AccessTokens(self.clock)
        self.nonces = SeenNonces(self.clock)
        self.notifier = Notifier(self.lock, self.clock, self.keyring, self.knobs, self.deployment, workers)

    def user(self, openid: str) -> User | None:
        """Return the user with this openid."""
        return self.state.users.get(openid)


def check_room(entries: int, limit: int) -> None:
    """Refuse to grow without bound.

    Raises:
        ApiError: the sandbox holds as many of these as it may.
    """
    if entries >= limit:
        raise ApiError(500, "SYSTEM_ERROR", f"沙箱已满（上限 {limit} 条），请重启沙箱")
