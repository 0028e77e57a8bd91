"""Proofs over HTTP: for whom they are, when they are there, and what they say when the books were changed."""

import json
from dataclasses import dataclass
from datetime import timedelta

import pytest

from fenxiao import wiring
from fenxiao.aws.clients import client
from fenxiao.clock import to_millis
from fenxiao.ledger.evidence import canonical, hash_of, parse_checkpoint, pem_of
from fenxiao.ledger.merkle import includes, is_consistent, leaf_hash
from fenxiao.ledger.post import post_batch
from fenxiao.ledger.projection import ProjectionStore
from fenxiao.ledger.prove import Prover
from fenxiao.ledger.seal import Sealer
from fenxiao.ledger.store import LedgerStore
from functions.evidence.app import lambda_handler
from tests.contract.entries import earn, settle
from tests.support.evidence import SealedWorld
from tests.support.http import Answer, call

pytestmark = pytest.mark.moto


@dataclass
class Books:
    """Two orders of three people, whose journals are in the log."""

    world: SealedWorld
    ledger: LedgerStore
    projection: ProjectionStore

    def post(self, *orders: str, project: bool = True) -> None:
        entries = [entry for order in orders for entry in (earn(order, A=10, B=5), settle(order, A=10, B=5))]
        posted = post_batch(self.ledger, entries).posted
        if project:
            self.projection.project(posted)

    def seal(self) -> int | None:
        world = self.world
        size = Sealer(self.projection, world.store, world.key, world.clock, world.mismatches.append).seal()
        world.next_day()
        return size


@pytest.fixture
def books(tables: None, monkeypatch: pytest.MonkeyPatch) -> Books:
    world = SealedWorld("evidence")
    books = Books(world, LedgerStore(world.clock), ProjectionStore())
    prover = Prover(books.ledger, books.projection, world.store, world.key)
    monkeypatch.setattr(wiring, "prover", lambda: prover)
    return books


def ask(journal: str, *, member: str | None = None, staff: str | None = None) -> Answer:
    return call(lambda_handler, "GET", "/evidence/{journal}", path={"journal": journal}, member=member, staff=staff)


def public(name: str, **query: str) -> Answer:
    return call(lambda_handler, "GET", f"/evidence/{name}", query=query or None)


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def holds(answer: Answer) -> bool:
    """Verify a proof by what it says alone."""
    proof = answer.json
    checkpoint = parse_checkpoint(proof["checkpoint"]["text"])
    leaf = leaf_hash(canonical(proof["journal"]))
    path = [hash_of(text) for text in proof["audit_path"]]
    assert proof["log_size"] == checkpoint.size
    return includes(leaf, proof["leaf_index"], checkpoint.size, path, checkpoint.root)


def test_everyone_whom_a_journal_moves_and_every_staff_member_gets_its_proof(books: Books) -> None:
    books.post("T1", "T2")
    assert books.seal() == 4
    for number, journal in enumerate(("order~T1~0", "order~T1~1", "order~T2~0", "order~T2~1")):
        for answer in (ask(journal, member="A"), ask(journal, member="B"), ask(journal, staff="S1")):
            assert answer.status == 200
            assert answer.json["leaf_index"] == number
            assert holds(answer)


@pytest.mark.parametrize("journal", ["order~T1~2", "order~T9~0", "wallet~A~0", "order~T1", "%23", "order#T1~0"])
def test_what_is_somebody_elses_looks_as_what_is_not_there(books: Books, journal: str) -> None:
    books.post("T1")
    books.seal()
    stranger, nobody = ask("order~T1~0", member="C"), ask(journal, member="A")
    assert refusal(stranger) == refusal(nobody) == (404, "not_found")
    assert stranger.json["title"] == nobody.json["title"]
    assert refusal(ask(journal, staff="S1")) == (404, "not_found")


def test_nobody_who_is_not_signed_in_gets_a_proof(books: Books) -> None:
    assert refusal(ask("order~T1~0")) == (401, "unauthenticated")


def test_a_journal_is_pending_until_it_is_sealed(books: Books) -> None:
    books.post("T1", project=False)
    pending = ask("order~T1~0", member="A")
    assert refusal(pending) == (409, "evidence_pending")
    assert pending.json["title"] == "该账务记录尚未封存，请于次日再查"
    books.post("T2")
    assert books.seal() == 2
    assert refusal(ask("order~T1~0", member="A")) == (409, "evidence_pending"), "not in the log"
    books.post("T3")
    assert refusal(ask("order~T3~0", member="A")) == (409, "evidence_pending"), "in the log, behind what is sealed"
    assert books.seal() == 4
    assert holds(ask("order~T3~0", member="A"))


def test_a_stranger_does_not_learn_that_a_journal_is_pending(books: Books) -> None:
    books.post("T1")
    assert refusal(ask("order~T1~0", member="C")) == (404, "not_found")


def test_public_answers_are_pending_until_something_is_sealed(books: Books) -> None:
    for answer in (public("checkpoint"), public("consistency", **{"from": "1", "to": "1"})):
        assert refusal(answer) == (409, "evidence_pending")


def test_anyone_gets_the_last_checkpoint_and_the_key(books: Books) -> None:
    books.post("T1")
    books.seal()
    books.post("T2")
    books.seal()
    signed = public("checkpoint").json
    assert parse_checkpoint(signed["text"]).size == 4
    key = public("key")
    assert key.headers["Content-Type"] == "application/x-pem-file"
    assert key.text == pem_of(books.world.key.public_der)


def test_anyone_gets_the_proof_that_the_log_only_grew(books: Books) -> None:
    checkpoints = []
    for number in range(4):
        books.post(*(f"T{number}-{one}" for one in range(3)))
        books.seal()
        checkpoints.append(parse_checkpoint(public("checkpoint").json["text"]))
    for old in checkpoints:
        for new in checkpoints:
            if old.size > new.size:
                continue
            proof = public("consistency", **{"from": str(old.size), "to": str(new.size)}).json
            path = [hash_of(text) for text in proof["path"]]
            assert (proof["from_size"], proof["to_size"]) == (old.size, new.size)
            assert is_consistent(old.size, old.root, new.size, new.root, path)


@pytest.mark.parametrize(
    "sizes",
    [
        ("0", "4"),
        ("3", "2"),
        ("1", "5"),
        ("", "4"),
        ("x", "4"),
        ("1", "-4"),
        ("１", "4"),
        ("1", "1" * 400),
        ("1.0", "4"),
    ],
)
def test_sizes_that_no_sealed_log_has_are_refused(books: Books, sizes: tuple[str, str]) -> None:
    books.post("T1", "T2")
    books.seal()
    assert refusal(public("consistency", **dict(zip(("from", "to"), sizes, strict=True)))) == (400, "bad_log_size")
    assert refusal(public("consistency")) == (400, "bad_log_size")


@pytest.mark.parametrize("attribute", ["postings", "posted_at", "event"])
def test_a_journal_that_was_changed_is_shown_with_a_proof_that_fails_and_alarms(
    books: Books, attribute: str, capsys: pytest.CaptureFixture[str]
) -> None:
    books.post("T1")
    books.seal()
    change = {
        "postings": {"S": json.dumps([["A", "commission", "held", 11], ["", "", "commission_expense", -11]])},
        "posted_at": {"N": str(to_millis(books.world.clock.now() + timedelta(seconds=1)))},
        "event": {"S": "earned"},
    }[attribute]
    client("dynamodb").update_item(
        TableName="LEDGER_TABLE",
        Key={"pk": {"S": "order#T1"}, "sk": {"S": "j#000000"}},
        UpdateExpression="SET #name = :value",
        ExpressionAttributeNames={"#name": attribute},
        ExpressionAttributeValues={":value": change},
    )
    assert not holds(ask("order~T1~0", member="A"))
    assert '"EvidenceMismatch":[1.0]' in capsys.readouterr().out
    assert holds(ask("order~T1~1", member="A"))


def test_a_leaf_that_was_changed_before_it_was_sealed_proves_nothing(books: Books) -> None:
    books.post("T1")
    client("dynamodb").update_item(
        TableName="STATEMENT_TABLE",
        Key={"pk": {"S": "leaves"}, "sk": {"S": "000000000000"}},
        UpdateExpression="SET hashes = :value",
        ExpressionAttributeValues={":value": {"B": b"x" * 64}},
    )
    assert books.seal() == 2
    assert not holds(ask("order~T1~0", member="A"))


def test_a_leaf_that_was_changed_after_it_was_sealed_changes_nothing(books: Books) -> None:
    books.post("T1")
    books.seal()
    client("dynamodb").update_item(
        TableName="STATEMENT_TABLE",
        Key={"pk": {"S": "leaves"}, "sk": {"S": "000000000000"}},
        UpdateExpression="SET hashes = :value",
        ExpressionAttributeValues={":value": {"B": b"x" * 64}},
    )
    books.post("T2")
    assert books.seal() == 4
    assert all(holds(ask(f"order~T{order}~{number}", member="A")) for order in (1, 2) for number in (0, 1))
