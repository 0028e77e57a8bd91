"""Leaves, names of journals, checkpoints and keys: their exact bytes."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from fenxiao.ledger.evidence import (
    BadCheckpointError,
    Checkpoint,
    JournalDocument,
    PostingDocument,
    base64_text,
    canonical,
    checkpoint_text,
    hash_of,
    journal_id,
    leaf_bytes,
    parse_checkpoint,
    parse_journal_id,
    pem_of,
    signature_of,
)
from fenxiao.ledger.model import Journal, Posting
from tests.support.evidence import made_up_leaves

JOURNAL = Journal(
    collection="order#T1",
    number=2,
    event="refund#R1",
    hash="0a1b",
    at=datetime(2026, 3, 1, 4, 0, 0, 123_456, tzinfo=UTC),
    posted_at=datetime(2026, 3, 1, 12, 0, 1, tzinfo=timezone(timedelta(hours=8))),
    postings=(Posting("M1", "commission", "held", -5), Posting("", "", "commission_expense", 5)),
    sale_fen=-100,
    paid_day="2026-03-01",
)
LEAF = (
    '{"at":"2026-03-01T04:00:00.123Z","collection":"order#T1","event":"refund#R1","hash":"0a1b","number":2,'
    '"paid_day":"2026-03-01","posted_at":"2026-03-01T04:00:01.000Z","postings":['
    '{"account":"held","amount_fen":-5,"member_id":"M1","tax_class":"commission"},'
    '{"account":"commission_expense","amount_fen":5,"member_id":"","tax_class":""}],"sale_fen":-100}'
)
CHECKPOINT = Checkpoint(size=42, root=made_up_leaves(1)[0], at=datetime(2026, 3, 1, 16, 20, tzinfo=UTC))
TEXT = "fenxiao/ledger\n42\n2zQm6HgGjSjSabbIcXIyLOU3K2V1bQeJAB00g19gHAM=\n2026-03-01T16:20:00.000Z\n"


def test_leaf_is_written_once_and_for_all() -> None:
    assert leaf_bytes(JOURNAL).decode() == LEAF


@pytest.mark.rule("M31")
def test_leaf_holds_all_of_a_journal_and_nothing_else() -> None:
    document = json.loads(leaf_bytes(JOURNAL))
    assert set(document) == set(Journal.__struct_fields__) == set(JournalDocument.__struct_fields__)
    for posting in document["postings"]:
        assert set(posting) == set(Posting.__struct_fields__) == set(PostingDocument.__struct_fields__)


@pytest.mark.parametrize(
    "change",
    [
        {"number": 3},
        {"event": "refund#R2"},
        {"hash": "0a1c"},
        {"at": JOURNAL.at + timedelta(milliseconds=1)},
        {"posted_at": JOURNAL.posted_at + timedelta(milliseconds=1)},
        {"paid_day": ""},
        {"sale_fen": -101},
        {"postings": JOURNAL.postings[::-1]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_differs_in_a_journal_differs_in_its_leaf(change: dict[str, Any]) -> None:
    assert leaf_bytes(replace(JOURNAL, **change)) != leaf_bytes(JOURNAL)


def test_leaf_is_the_same_before_and_after_storing() -> None:
    """Tables keep milliseconds, and any zone is the same instant."""
    stored = replace(JOURNAL, at=JOURNAL.at.replace(microsecond=123_000), posted_at=JOURNAL.posted_at.astimezone(UTC))
    assert leaf_bytes(stored) == leaf_bytes(JOURNAL)


def test_a_journal_read_from_json_gives_the_same_leaf_whatever_its_order() -> None:
    shuffled = dict(reversed(json.loads(LEAF).items()))
    assert canonical(shuffled) == LEAF.encode()
    assert canonical({"说明": "佣金", "a": 1}) == '{"a":1,"说明":"佣金"}'.encode()


@pytest.mark.parametrize(
    ("collection", "number", "name"),
    [
        ("order#T1", 0, "order~T1~0"),
        ("bonus#2026-03#M1", 12, "bonus~2026-03~M1~12"),
        ("withdrawal#W1", 999_999, "withdrawal~W1~999999"),
    ],
)
def test_journal_has_one_name_in_addresses(collection: str, number: int, name: str) -> None:
    assert journal_id(collection, number) == name
    assert parse_journal_id(name) == (collection, number)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "~",
        "~0",
        "order",
        "order~T1",
        "order~T1~",
        "order~T1~x",
        "order~T1~-1",
        "order~T1~00",
        "order#T1~0",
        "order~T1~1000000",
        "order~T1~1.0",
        "order~T1~１",
        "order~T1~²",
        "订单~0",
        f"{'x' * 200}~0",
    ],
)
def test_what_names_no_journal_is_refused(name: str) -> None:
    assert parse_journal_id(name) is None


def test_checkpoint_has_one_text() -> None:
    assert checkpoint_text(CHECKPOINT) == TEXT
    assert parse_checkpoint(TEXT) == CHECKPOINT
    assert CHECKPOINT.day.isoformat() == "2026-03-02"


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "\n",
        TEXT.replace("fenxiao/ledger", "other"),
        TEXT.replace("\n42\n", "\n042\n"),
        TEXT.replace("\n42\n", "\n４２\n"),
        TEXT.replace("\n42\n", "\n-1\n"),
        TEXT.replace("\n42\n", f"\n{2**60}\n"),
        TEXT.replace("2zQm", "!zQm"),
        TEXT.replace("gHAM=", "gHAN="),
        TEXT.replace("2zQm", ""),
        TEXT.replace("T16:20:00.000Z", "T16:20:00Z"),
        TEXT.replace("T16:20:00.000Z", "T24:20:00.000Z"),
        TEXT.replace("2026-03-01T16:20:00.000Z", "x" * 300),
    ],
    ids=range(14),
)
def test_a_text_that_differs_in_anything_is_no_checkpoint(text: str) -> None:
    with pytest.raises(BadCheckpointError):
        parse_checkpoint(text)


@pytest.mark.parametrize("text", ["", "AAAA", "ä", "A" * 44, base64_text(b"x" * 31), base64_text(b"x" * 33)])
def test_what_is_no_hash_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        hash_of(text)


def test_signature_that_is_no_base64_is_an_empty_one() -> None:
    assert signature_of(base64.b64encode(b"der").decode()) == b"der"
    assert signature_of("!") == signature_of("A" * 201) == signature_of("é") == b""


def test_public_key_is_written_as_others_write_it() -> None:
    public = generate_private_key(SECP256R1()).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert pem_of(der).encode() == public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_field_that_journals_come_to_have_leaves_the_old_leaves_as_they_are() -> None:
    class Later(JournalDocument, frozen=True, kw_only=True, omit_defaults=True):
        note: str = ""

    later = Later(**msgspec.to_builtins(msgspec.json.decode(LEAF, type=JournalDocument)))
    assert canonical(msgspec.to_builtins(later)) == LEAF.encode()
