import threading
from dataclasses import dataclass

import pytest

from fenxiao.wechat.token_store import TokenItem, TokenStore

APPID = "wx1"
KEY = "wx1_access_token"


@dataclass
class Wall:
    seconds: float = 1_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def wall(tables: None) -> Wall:
    return Wall()


def store(wall: Wall) -> TokenStore:
    """A store as another process would have it: with no copy of its own."""
    return TokenStore(APPID, wall)


def stored() -> TokenItem:
    return TokenItem.get("wechat#wx1", "token", consistent_read=True)


def test_no_token_at_first(wall: Wall) -> None:
    assert store(wall).get(KEY) is None
    assert store(wall).get(KEY, "default") == "default"


def test_token_of_one_process_serves_all(wall: Wall) -> None:
    store(wall).set(KEY, "token-1", 7200)
    assert store(wall).get(KEY) == "token-1"
    assert stored().ttl == 1_007_200


def test_process_reads_the_table_once_while_the_token_is_young(wall: Wall) -> None:
    one = store(wall)
    one.set(KEY, "token-1", 7200)
    stored().delete()
    wall.seconds += 7200 - 241
    assert one.get(KEY) == "token-1"
    wall.seconds += 2
    assert one.get(KEY) is None


def test_near_its_end_one_process_renews_and_the_others_go_on(wall: Wall) -> None:
    store(wall).set(KEY, "token-1", 7200)
    wall.seconds += 7200 - 200
    processes = [store(wall) for _ in range(5)]
    answers = [process.get(KEY) for process in processes]
    assert answers == [None, "token-1", "token-1", "token-1", "token-1"]
    processes[0].set(KEY, "token-2", 7200)
    assert [process.get(KEY) for process in processes] == ["token-2"] * 5


def test_renewal_whose_claimer_died_is_taken_over(wall: Wall) -> None:
    store(wall).set(KEY, "token-1", 7200)
    wall.seconds += 7200 - 200
    assert store(wall).get(KEY) is None
    assert store(wall).get(KEY) == "token-1"
    wall.seconds += 10
    assert store(wall).get(KEY) is None
    assert store(wall).get(KEY) == "token-1"


def test_claims_at_the_same_moment_have_one_winner(wall: Wall) -> None:
    store(wall).set(KEY, "token-1", 7200)
    wall.seconds += 7200 - 200
    answers: list[str | None] = []
    threads = [threading.Thread(target=lambda: answers.append(store(wall).get(KEY))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(None) == 1


def test_token_about_to_end_is_nobodys(wall: Wall) -> None:
    store(wall).set(KEY, "token-1", 7200)
    wall.seconds += 7200 - 30
    assert [store(wall).get(KEY) for _ in range(3)] == [None] * 3


def test_late_answer_does_not_replace_a_longer_token(wall: Wall) -> None:
    store(wall).set(KEY, "token-2", 7200)
    late = store(wall)
    late.set(KEY, "token-1", 100)
    assert stored().access_token == "token-2"


def test_forgetting_a_refused_token_leaves_a_newer_one(wall: Wall) -> None:
    one, other = store(wall), store(wall)
    one.set(KEY, "token-1", 7200)
    assert other.get(KEY) == "token-1"
    one.delete(KEY)
    assert store(wall).get(KEY) is None
    one.set(KEY, "token-2", 7200)
    other.delete(KEY)
    assert other.get(KEY) == "token-2"
    store(wall).delete(KEY)
    assert stored().access_token == "token-2"
