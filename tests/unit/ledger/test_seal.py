"""Sealing day by day; what was tampered with is never signed; a run that stops anywhere does no harm."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from fenxiao.aws.clients import client
from fenxiao.ledger import seal
from fenxiao.ledger.evidence import Checkpoint, SignedCheckpoint, checkpoint_text, signature_of
from fenxiao.ledger.log_store import LogKey
from fenxiao.ledger.merkle import HASH_BYTES
from tests.support.evidence import SealedWorld, create_key, made_up_leaves, naive_root

pytestmark = pytest.mark.moto

LAST = "checkpoint/2026-03-02.json"
"""The checkpoint of the first day that `SealedWorld` seals."""


@pytest.fixture
def world(tables: None) -> SealedWorld:
    return SealedWorld("evidence")


@pytest.fixture
def sealed(world: SealedWorld) -> SealedWorld:
    """A log of 300 leaves, sealed a day ago, that has 40 more."""
    world.leaves.add(300)
    assert world.seal() == 300
    world.leaves.add(40)
    world.next_day()
    return world


def refused(world: SealedWorld) -> str:
    """Seal, check that nothing was signed, and return the reported reason."""
    before = [name for name in world.objects() if name.startswith("checkpoint/")]
    assert world.seal() is None
    assert [name for name in world.objects() if name.startswith("checkpoint/")] == before
    (mismatch,) = world.mismatches
    world.mismatches.clear()
    return mismatch.what


# --- day by day


def test_first_sealing_signs_the_root_of_all_leaves(world: SealedWorld) -> None:
    world.leaves.add(5)
    world.leaves.add(295)
    assert world.seal() == 300
    checkpoint = world.checkpoint()
    assert checkpoint == Checkpoint(size=300, root=naive_root(made_up_leaves(300)), at=world.clock.now())
    latest = world.store.latest()
    assert latest is not None
    day, signed = latest
    assert (day.isoformat(), signed.text) == ("2026-03-02", checkpoint_text(checkpoint))
    assert world.key.verifies(signed.text.encode(), signature_of(signed.signature))
    assert sorted(world.objects()) == [LAST, "tile/0/0", "tile/0/1.p/44", "tile/1/0.p/1"]


def test_a_day_sealed_again_changes_nothing(sealed: SealedWorld) -> None:
    sealed.clock.moment -= timedelta(hours=1)
    before = sealed.objects()
    assert sealed.seal() is None
    assert sealed.objects() == before
    assert sealed.mismatches == []


def test_each_day_adds_to_what_was_signed_and_overwrites_nothing(world: SealedWorld) -> None:
    seen: dict[str, list[bytes]] = {}
    for count in (1, 254, 1, 1, 255, 600, 7):
        world.leaves.add(count)
        size = len(world.leaves.hashes)
        assert world.seal() == size
        assert world.checkpoint().root == naive_root(world.leaves.hashes)
        objects = world.objects()
        assert seen.items() <= objects.items()
        seen = objects
        world.next_day()
    assert all(len(versions) == 1 for versions in seen.values())
    assert world.mismatches == []


def test_a_day_without_journals_is_signed_too(sealed: SealedWorld) -> None:
    assert sealed.seal() == 340
    sealed.next_day()
    tiles = [name for name in sealed.objects() if name.startswith("tile/")]
    assert sealed.seal() == 340
    assert sealed.checkpoint().at == sealed.clock.now()
    assert [name for name in sealed.objects() if name.startswith("tile/")] == tiles


def test_days_on_which_nothing_ran_are_made_up_for_by_one_run(sealed: SealedWorld) -> None:
    sealed.clock.moment += timedelta(days=40)
    assert sealed.seal() == 340


def test_a_log_without_journals_is_not_signed(world: SealedWorld) -> None:
    assert world.seal() is None
    assert world.objects() == {}
    assert world.mismatches == []


def test_what_is_too_much_for_a_run_is_left_to_the_next(world: SealedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seal, "_MAX_BATCHES", 2)
    for count in (10, 20, 30):
        world.leaves.add(count)
    assert world.seal() == 30
    world.next_day()
    assert world.seal() == 60
    assert world.checkpoint().root == naive_root(made_up_leaves(60))


def test_batches_that_come_while_a_run_goes_on_are_left_to_the_next(
    world: SealedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.leaves.add(10)
    monkeypatch.setattr(world.leaves, "log_size", lambda: 10)
    world.leaves.add(5)
    assert world.seal() == 10


# --- tampering


@pytest.mark.parametrize("name", ["tile/0/1.p/44", "tile/1/0.p/1"])
def test_a_changed_tile_is_found(sealed: SealedWorld, name: str) -> None:
    (hashes,) = sealed.objects()[name]
    sealed.overwrite(name, hashes[:-1] + bytes([hashes[-1] ^ 1]))
    assert refused(sealed) == "the tiles do not have the root that was signed last"


def test_a_damaged_tile_is_found(sealed: SealedWorld) -> None:
    sealed.overwrite("tile/0/1.p/44", b"short")
    assert refused(sealed) == "tile/0/1.p/44 is missing or damaged"


def test_a_rewritten_log_is_found_when_its_tiles_are_rewritten_too(world: SealedWorld) -> None:
    """Whoever changes an old journal and all hashes above it still cannot change what was signed."""
    world.leaves.add(300)
    world.seal()
    forged = made_up_leaves(300)
    forged[7] = forged[8]
    full, rest = b"".join(forged[:256]), b"".join(forged[256:])
    for name, content in {
        "tile/0/0": full,
        "tile/0/1.p/44": rest,
        "tile/1/0.p/1": naive_root(forged[:256]),
    }.items():
        world.overwrite(name, content)
    world.next_day()
    assert refused(world) == "the tiles do not have the root that was signed last"


def test_a_leaf_changed_between_a_run_that_stopped_and_the_next_is_found(sealed: SealedWorld) -> None:
    with pytest.raises(StoppedError), stops_at("s3", "PutObject", 2, "before-call"):
        sealed.seal()
    sealed.leaves.hashes[320] = made_up_leaves(1)[0]
    assert refused(sealed) == "another tile/0/1.p/84 stands there"


def test_a_log_that_became_shorter_is_found(sealed: SealedWorld) -> None:
    sealed.leaves.hashes = sealed.leaves.hashes[:299]
    assert refused(sealed) == "the leaves end at 300, the log at 299"


@pytest.mark.parametrize("cuts", [[0, 300], [0, 300, 339], [0, 300, 341], [0, 301, 340], [0, 310, 340], [0, 340]])
def test_missing_and_overlapping_leaves_are_found(sealed: SealedWorld, cuts: list[int]) -> None:
    sealed.leaves.hashes = made_up_leaves(341)
    sealed.leaves.log_size = lambda: 340  # type: ignore[method-assign] # the head stays as it was
    sealed.leaves.cuts = cuts
    assert refused(sealed).startswith("the leaves")


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * (40 * HASH_BYTES - 1), b"x" * (40 * HASH_BYTES + 1)])
def test_leaves_of_another_length_are_found(
    sealed: SealedWorld, damage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealed.leaves, "leaves", lambda _first, _limit: iter([(300, damage)]))
    assert refused(sealed).startswith("the leaves")


def tampered(world: SealedWorld, **changes: str) -> None:
    """Change what stands in the last checkpoint."""
    latest = world.store.latest()
    assert latest is not None
    world.overwrite(LAST, msgspec.json.encode(replace(latest[1], **changes)))


def test_a_checkpoint_with_another_text_is_found(sealed: SealedWorld) -> None:
    latest = sealed.store.latest()
    assert latest is not None
    tampered(sealed, text=latest[1].text.replace("\n300\n", "\n299\n"))
    assert refused(sealed) == "the last checkpoint is not signed by this log's key"


def test_a_forged_signature_is_found(sealed: SealedWorld) -> None:
    other = LogKey(create_key())
    latest = sealed.store.latest()
    assert latest is not None
    for signature in (other.sign(latest[1].text.encode()), b"no DER", b""):
        tampered(sealed, signature=msgspec.json.encode(signature).decode().strip('"'))
        assert refused(sealed) == "the last checkpoint is not signed by this log's key"


def test_an_older_checkpoint_in_the_place_of_the_last_is_found(sealed: SealedWorld) -> None:
    older = sealed.objects()[LAST][0]
    sealed.seal()
    sealed.overwrite("checkpoint/2026-03-03.json", older)
    sealed.next_day()
    assert refused(sealed) == "the last checkpoint is of 2026-03-02"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"x" * 5000])
def test_what_is_no_checkpoint_is_found(sealed: SealedWorld, content: bytes) -> None:
    sealed.overwrite(LAST, content)
    assert refused(sealed) == f"{LAST} is no checkpoint"


def test_a_text_that_is_signed_but_is_no_checkpoint_is_found(sealed: SealedWorld) -> None:
    text = "something else\n"
    signature = msgspec.json.encode(sealed.key.sign(text.encode())).decode().strip('"')
    sealed.overwrite(LAST, msgspec.json.encode(SignedCheckpoint(text=text, signature=signature, key_id="")))
    assert refused(sealed) == "the last checkpoint is none"


def test_a_mismatch_is_the_same_one_until_it_is_repaired(sealed: SealedWorld) -> None:
    sealed.overwrite("tile/0/1.p/44", b"short")
    for _ in range(2):
        assert sealed.seal() is None
        sealed.next_day()
    assert sealed.mismatches[0] == sealed.mismatches[1]
    assert sealed.mismatches[0].after == "2026-03-02"


# --- crashes


class StoppedError(Exception):
    pass


@contextmanager
def stops_at(service: str, operation: str, nth: int, when: str) -> Iterator[None]:
    """Stop at the n-th such call, before it (`before-call`) or after it (`after-call`)."""
    seen = 0

    def stop(**_details: object) -> None:
        nonlocal seen
        seen += 1
        if seen == nth:
            raise StoppedError

    events, name = client(service).meta.events, f"{when}.{service}.{operation}"
    events.register(name, stop)
    try:
        yield
    finally:
        events.unregister(name, stop)


CALLS = {("s3", "PutObject"): 4, ("s3", "GetObject"): 6, ("kms", "Sign"): 1, ("kms", "Verify"): 1}


@pytest.mark.parametrize("when", ["before-call", "after-call"])
@pytest.mark.parametrize(("service", "operation"), CALLS)
def test_a_run_that_stops_at_any_call_ends_as_one_that_never_stopped(
    tables: None, service: str, operation: str, when: str
) -> None:
    stops = 0
    for nth in range(1, 50):
        world = SealedWorld(f"evidence-{nth}")
        world.leaves.add(300)
        world.seal()
        world.leaves.add(300)
        world.next_day()
        try:
            with stops_at(service, operation, nth, when):
                world.seal()
        except StoppedError:
            stops += 1
            world.seal()
            assert world.checkpoint() == Checkpoint(
                size=600, root=naive_root(made_up_leaves(600)), at=world.clock.now()
            )
            assert all(len(versions) == 1 for versions in world.objects().values())
            assert world.mismatches == []
        else:
            break
    assert stops >= CALLS[service, operation]


def test_a_run_that_stopped_is_made_good_by_the_next_day(sealed: SealedWorld) -> None:
    with pytest.raises(StoppedError), stops_at("kms", "Sign", 1, "before-call"):
        sealed.seal()
    sealed.leaves.add(500)
    sealed.next_day()
    assert sealed.seal() == 840
    assert sealed.checkpoint().root == naive_root(made_up_leaves(840))


def test_two_runs_at_once_sign_one_checkpoint(sealed: SealedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    sign = sealed.key.sign

    def overtaken(message: bytes) -> bytes:
        monkeypatch.setattr(sealed.key, "sign", sign)
        assert sealed.seal() == 340
        return sign(message)

    monkeypatch.setattr(sealed.key, "sign", overtaken)
    assert sealed.seal() is None
    assert len(sealed.objects()["checkpoint/2026-03-03.json"]) == 1
