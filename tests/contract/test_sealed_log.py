"""The sealed log in S3 and its key in KMS: put once, locked, signed; on moto and on MiniStack."""

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from botocore.exceptions import ClientError
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from moto import mock_aws

from fenxiao.aws import clients
from fenxiao.aws.clients import client
from fenxiao.ledger.evidence import SignedCheckpoint, parse_checkpoint, pem_of, signature_of
from fenxiao.ledger.log_store import LogMismatchError
from fenxiao.ledger.tiles import Tile
from infra.local.emulator import REGION, ROOT_KEY
from tests.support.engines import MINISTACK, MOTO
from tests.support.evidence import SealedWorld, made_up_leaves, naive_root

DAY = date(2026, 3, 2)
TILE = Tile(0, 0, 3)
HASHES = b"".join(made_up_leaves(3))
SIGNED = SignedCheckpoint(text="text", signature="c2ln", key_id="key")
LOCK_YEARS = 10


def forget_clients() -> None:
    clients.client.cache_clear()
    clients._session.cache_clear()


@pytest.fixture(params=[MOTO, MINISTACK])
def world(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[SealedWorld]:
    """A bucket and a key, new on each engine for each test: what is locked cannot be emptied."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ROOT_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", ROOT_KEY)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    name = f"evidence-{secrets.token_hex(6)}"
    forget_clients()
    if request.param == MOTO:
        with mock_aws():
            yield SealedWorld(name)
    else:
        monkeypatch.setenv("AWS_ENDPOINT_URL", request.getfixturevalue("ministack_endpoint"))
        yield SealedWorld(name)
    forget_clients()


def denied(call: str, world: SealedWorld, **what: object) -> str:
    """The code with which S3 refuses a call."""
    with pytest.raises(ClientError) as refusal:
        getattr(client("s3"), call)(Bucket=world.bucket, **what)
    return str(refusal.value.response["Error"]["Code"])


def version(world: SealedWorld, name: str) -> str:
    return str(client("s3").head_object(Bucket=world.bucket, Key=name)["VersionId"])


def test_tile_is_put_once_and_read_as_it_was_put(world: SealedWorld) -> None:
    world.store.put_tile(TILE, HASHES)
    world.store.put_tile(TILE, HASHES)
    assert world.store.tile(TILE) == HASHES
    assert world.objects() == {"tile/0/0.p/3": [HASHES]}


def test_another_tile_in_its_place_is_a_mismatch(world: SealedWorld) -> None:
    world.store.put_tile(TILE, HASHES)
    with pytest.raises(LogMismatchError, match=r"another tile/0/0\.p/3 stands there"):
        world.store.put_tile(TILE, HASHES[::-1])
    assert world.store.tile(TILE) == HASHES
    with pytest.raises(LogMismatchError, match=r"tile/0/0\.p/4 is missing"):
        world.store.tile(Tile(0, 0, 4))


def test_first_checkpoint_of_a_day_stays(world: SealedWorld) -> None:
    assert world.store.latest() is None
    assert world.store.put_checkpoint(DAY, SIGNED)
    assert not world.store.put_checkpoint(DAY, SignedCheckpoint(text="other", signature="", key_id=""))
    assert world.store.latest() == (DAY, SIGNED)
    assert world.store.put_checkpoint(DAY + timedelta(days=400), SIGNED)
    assert world.store.put_checkpoint(DAY + timedelta(days=1), SIGNED)
    assert world.store.latest() == (DAY + timedelta(days=400), SIGNED)


def test_checkpoint_is_found_behind_those_of_more_days_than_a_page_lists(
    world: SealedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3 = client("s3")
    paginator = s3.get_paginator("list_objects_v2")
    monkeypatch.setattr(
        paginator,
        "paginate",
        lambda **what: type(paginator).paginate(paginator, PaginationConfig={"PageSize": 2}, **what),
    )
    monkeypatch.setattr(s3, "get_paginator", lambda _name: paginator)
    for day in range(5):
        world.store.put_checkpoint(DAY + timedelta(days=day), SIGNED)
    assert world.store.latest() == (DAY + timedelta(days=4), SIGNED)


def test_what_was_put_can_neither_be_removed_nor_unlocked_for_ten_years(world: SealedWorld) -> None:
    world.store.put_checkpoint(DAY, SIGNED)
    name = f"checkpoint/{DAY}.json"
    put = version(world, name)
    head = client("s3").head_object(Bucket=world.bucket, Key=name)
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert head["ObjectLockRetainUntilDate"] > datetime.now(UTC) + timedelta(days=365 * LOCK_YEARS - 1)
    assert denied("delete_object", world, Key=name, VersionId=put) == "AccessDenied"
    assert denied("delete_object", world, Key=name, VersionId=put, BypassGovernanceRetention=True) == "AccessDenied"


def test_an_overwritten_checkpoint_is_still_there_as_it_was(world: SealedWorld) -> None:
    """On AWS the bucket's policy denies this as well."""
    world.store.put_checkpoint(DAY, SIGNED)
    name = f"checkpoint/{DAY}.json"
    put = version(world, name)
    before = client("s3").get_object(Bucket=world.bucket, Key=name, VersionId=put)["Body"].read()
    world.overwrite(name, b"forged")
    assert client("s3").get_object(Bucket=world.bucket, Key=name, VersionId=put)["Body"].read() == before
    assert denied("delete_object", world, Key=name, VersionId=put) == "AccessDenied"


def test_signature_is_verified_by_kms_and_by_anyone_with_the_public_key(world: SealedWorld) -> None:
    message = b"fenxiao/ledger\n1\n"
    signature = world.key.sign(message)
    assert world.key.verifies(message, signature)
    assert not world.key.verifies(message + b" ", signature)
    for forged in (b"", b"x", signature[:-1] + bytes([signature[-1] ^ 1])):
        assert not world.key.verifies(message, forged)
    public = load_pem_public_key(pem_of(world.key.public_der).encode())
    assert isinstance(public, EllipticCurvePublicKey)
    assert isinstance(public.curve, SECP256R1)
    public.verify(signature, message, ECDSA(SHA256()))
    with pytest.raises(InvalidSignature):
        public.verify(signature, message + b" ", ECDSA(SHA256()))


def test_log_is_sealed_over_days(world: SealedWorld) -> None:
    for count in (300, 20, 200):
        world.leaves.add(count)
        assert world.seal() == len(world.leaves.hashes)
        assert world.seal() is None
        latest = world.store.latest()
        assert latest is not None
        checkpoint = parse_checkpoint(latest[1].text)
        assert checkpoint.root == naive_root(world.leaves.hashes)
        assert world.key.verifies(latest[1].text.encode(), signature_of(latest[1].signature))
        world.next_day()
    assert world.mismatches == []
    assert all(len(versions) == 1 for versions in world.objects().values())
