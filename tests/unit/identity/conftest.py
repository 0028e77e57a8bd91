import pytest

from fenxiao import wiring
from tests.unit.identity.fakes import KEYS, FakeMiniProgram, SteppedClock


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock()


@pytest.fixture
def mini_program() -> FakeMiniProgram:
    return FakeMiniProgram()


@pytest.fixture
def wired(tables: None, clock: SteppedClock, mini_program: FakeMiniProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    """The functions' own wiring, with a stepped clock, a fake WeChat and fixed keys."""
    monkeypatch.setattr(wiring, "clock", lambda: clock)
    monkeypatch.setattr(wiring, "wall_clock", lambda: clock)
    monkeypatch.setattr(wiring, "mini_program", lambda: mini_program)
    monkeypatch.setattr(wiring, "token_keys", lambda: KEYS)
