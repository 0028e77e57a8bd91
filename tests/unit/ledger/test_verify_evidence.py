"""The offline command: it admits what is true and nothing that differs from it in a single byte."""

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256K1,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fenxiao.ledger.evidence import (
    Checkpoint,
    ConsistencyProof,
    InclusionProof,
    SignedCheckpoint,
    base64_text,
    checkpoint_text,
    document_of,
    key_id_of,
    leaf_bytes,
)
from fenxiao.ledger.merkle import consistency_proof, inclusion_proof, leaf_hash
from fenxiao.ledger.model import Journal, Posting
from infra import verify_evidence
from tests.support.evidence import SEALING, made_up_leaves, naive_root
from tests.unit.template.resources import ROOT

PLACE, OLD_SIZE, SIZE = 5, 7, 12
KEY = generate_private_key(SECP256R1())
OTHER_KEY = generate_private_key(SECP256R1())
JOURNAL = Journal(
    collection="order#T1",
    number=0,
    event="earn",
    hash="0a1b",
    at=SEALING - timedelta(hours=9),
    posted_at=SEALING - timedelta(hours=8),
    postings=(Posting("M1", "commission", "held", 500), Posting("", "", "commission_expense", -500)),
    sale_fen=5000,
    paid_day="2026-03-01",
)


def public_der(key: EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_pem(key: EllipticCurvePrivateKey | Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(checkpoint: Checkpoint, key: EllipticCurvePrivateKey = KEY) -> SignedCheckpoint:
    text = checkpoint_text(checkpoint)
    signature = base64.b64encode(key.sign(text.encode(), ECDSA(SHA256()))).decode()
    return SignedCheckpoint(text=text, signature=signature, key_id=key_id_of(public_der(key)))


@dataclass
class Files:
    """What somebody has who doubts."""

    directory: Path

    def write(self, name: str, content: object) -> Path:
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else msgspec.json.encode(content))
        return path

    def read(self, name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.directory / name).read_bytes())
        return loaded

    def change(self, name: str, do: Callable[[dict[str, Any]], object]) -> None:
        content = self.read(name)
        do(content)
        self.write(name, content)

    def verdict(self, *, older: bool = False) -> int:
        """Run the command in this process; the exit code."""
        arguments = ["verify_evidence", str(self.directory / "proof.json"), "--key", str(self.directory / "key.pem")]
        if older:
            arguments += ["--older", str(self.directory / "older.json")]
            arguments += ["--consistency", str(self.directory / "consistency.json")]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", arguments)
            return verify_evidence.main()


def write_all(directory: Path, journal: Journal = JOURNAL) -> Files:
    """A proof of the journal in a log of twelve, and the way there from the log of seven of the day before."""
    leaves = made_up_leaves(SIZE)
    leaves[PLACE] = leaf_hash(leaf_bytes(journal))

    def subtree(height: int, index: int) -> bytes:
        return naive_root(leaves[index << height : (index + 1) << height])

    files = Files(directory)
    old = Checkpoint(size=OLD_SIZE, root=naive_root(leaves[:OLD_SIZE]), at=SEALING)
    new = Checkpoint(size=SIZE, root=naive_root(leaves), at=SEALING + timedelta(days=1))
    files.write("key.pem", public_pem(KEY))
    files.write("older.json", signed(old))
    files.write(
        "proof.json",
        InclusionProof(
            journal=document_of(journal),
            leaf_index=PLACE,
            log_size=SIZE,
            audit_path=[base64_text(one) for one in inclusion_proof(PLACE, SIZE, subtree)],
            checkpoint=signed(new),
        ),
    )
    path = [base64_text(one) for one in consistency_proof(OLD_SIZE, SIZE, subtree)]
    files.write("consistency.json", ConsistencyProof(from_size=OLD_SIZE, to_size=SIZE, path=path))
    return files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return write_all(tmp_path)


def test_what_is_true_is_verified_in_a_process_of_its_own(files: Files) -> None:
    here = files.directory
    files_given = {"--key": "key.pem", "--older": "older.json", "--consistency": "consistency.json"}
    command = [sys.executable, "-m", "infra.verify_evidence", str(here / "proof.json")]
    for option, name in files_given.items():
        command += [option, str(here / name)]
    done = subprocess.run(  # noqa: S603 - our own command
        command,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "layers" / "fenxiao")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "journal      order#T1 0, earn at 2026-03-01T07:20:00.000Z",
        "                     +500 fen  held M1 commission",
        "                     -500 fen  commission_expense",
        "stands at    5 in the log of 12, signed 2026-03-03 00:20:00+08:00",
        f"signed by    the key with the SHA-256 fingerprint {key_id_of(public_der(KEY))}",
        "grew from    the log of 7, signed 2026-03-02 00:20:00+08:00, and from nothing else",
        "VERIFIED",
    ]


def test_an_older_proof_serves_as_the_older_checkpoint(files: Files) -> None:
    files.change("older.json", lambda content: content.update({"checkpoint": dict(content), "text": "ignored"}))
    assert files.verdict(older=True) == 0


def test_a_log_that_did_not_grow_is_consistent_with_itself(files: Files) -> None:
    files.write("older.json", files.read("proof.json")["checkpoint"])
    files.write("consistency.json", ConsistencyProof(from_size=SIZE, to_size=SIZE, path=[]))
    assert files.verdict(older=True) == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["proof.json", "older.json", "consistency.json"]), st.integers(0, 4000), st.integers(0, 255))
def test_any_byte_that_is_changed_is_doubted(tmp_path: Path, name: str, place: int, byte: int) -> None:
    files = write_all(tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    place %= len(content)
    before, content[place] = content[place], byte
    files.write(name, bytes(content))
    assert files.verdict(older=True) == int(before != byte)


DOUBTS: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "another amount": (
        "proof.json",
        lambda proof: proof["journal"]["postings"][0].update(amount_fen=501),
        "the journal is not in the log at that place",
    ),
    "a field more": (
        "proof.json",
        lambda proof: proof["journal"].update(note="x"),
        "the journal is not in the log at that place",
    ),
    "another place": (
        "proof.json",
        lambda proof: proof.update(leaf_index=6),
        "the journal is not in the log at that place",
    ),
    "no path": ("proof.json", lambda proof: proof.update(audit_path=[]), "the journal is not in the log at that place"),
    "a path of something else": (
        "proof.json",
        lambda proof: proof.update(audit_path=["AAAA"]),
        "the path holds something that is no hash",
    ),
    "another size": (
        "proof.json",
        lambda proof: proof.update(log_size=13),
        "the proof is for a log of 13, the checkpoint for one of 12",
    ),
    "another signature": (
        "proof.json",
        lambda proof: proof["checkpoint"].update(signature="AAAA"),
        "the checkpoint's signature does not hold",
    ),
    "another key's name": (
        "proof.json",
        lambda proof: proof["checkpoint"].update(key_id="00"),
        "the checkpoint names another key, 00",
    ),
    "no checkpoint": ("proof.json", lambda proof: proof.pop("checkpoint"), "missing required field `checkpoint`"),
    "a number as text": ("proof.json", lambda proof: proof.update(leaf_index="5"), "Expected `int`, got `str`"),
    "another consistency": (
        "consistency.json",
        lambda proof: proof["path"].reverse(),
        "the older log is not how the newer one begins",
    ),
    "a consistency of other sizes": (
        "consistency.json",
        lambda proof: proof.update(from_size=6),
        "the consistency proof is from 6 to 12, the checkpoints are of 7 and 12",
    ),
}


@pytest.mark.parametrize("what", DOUBTS)
def test_doubt_is_named(files: Files, what: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, change, reason = DOUBTS[what]
    files.change(name, change)
    assert files.verdict(older=True) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("NOT VERIFIED: ")
    assert reason in shown.err


def test_checkpoints_that_are_swapped_are_doubted(files: Files) -> None:
    """Each is genuine, and each stands in the other's place."""
    newer, older = files.read("proof.json")["checkpoint"], files.read("older.json")
    files.change("proof.json", lambda proof: proof.update(checkpoint=older))
    assert files.verdict() == 1
    files.change("proof.json", lambda proof: proof.update(checkpoint=newer))
    files.write("older.json", newer)
    assert files.verdict(older=True) == 1


def test_a_log_that_was_rewritten_and_signed_anew_is_doubted_by_who_kept_the_old_checkpoint(files: Files) -> None:
    """The merchant has the key: only consistency with what it signed before holds it to its word."""
    kept = (files.directory / "older.json").read_bytes()
    forged = msgspec.structs.replace(
        JOURNAL, postings=(Posting("M1", "commission", "held", 5), Posting("", "", "commission_expense", -5))
    )
    write_all(files.directory, forged)
    assert files.verdict(older=True) == 0
    files.write("older.json", kept)
    assert files.verdict() == 0
    assert files.verdict(older=True) == 1


def test_an_older_checkpoint_that_is_newer_is_doubted(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    root = naive_root(made_up_leaves(OLD_SIZE))
    files.write("older.json", signed(Checkpoint(size=OLD_SIZE, root=root, at=SEALING + timedelta(days=2))))
    assert files.verdict(older=True) == 1
    assert "the older checkpoint is the newer one" in capsys.readouterr().err


def test_a_text_that_is_signed_but_is_no_checkpoint_is_doubted(files: Files) -> None:
    text = "fenxiao/ledger\n12\n"
    signature = base64.b64encode(KEY.sign(text.encode(), ECDSA(SHA256()))).decode()
    files.change("proof.json", lambda proof: proof["checkpoint"].update(text=text, signature=signature))
    assert files.verdict() == 1


def test_a_journal_that_does_not_sum_to_zero_is_doubted_even_when_it_is_in_the_log(tmp_path: Path) -> None:
    files = write_all(tmp_path, msgspec.structs.replace(JOURNAL, postings=JOURNAL.postings[:1]))
    assert files.verdict() == 1


@pytest.mark.parametrize(
    "pem",
    [
        public_pem(OTHER_KEY),
        public_pem(generate_private_key(SECP256K1())),
        public_pem(Ed25519PrivateKey.generate()),
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    ],
    ids=["another", "another curve", "another kind", "empty", "damaged"],
)
def test_with_another_key_everything_is_doubted(files: Files, pem: bytes) -> None:
    files.write("key.pem", pem)
    assert files.verdict() == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 100_000,
        b'{"a": 1.5}',
        b'{"a": NaN}',
        b'{"a": 1, "a": 1}',
        b" " * (2 << 20),
        b"1" * 5000,
    ],
    ids=["empty", "no text", "a list", "deep", "a fraction", "no number", "a name twice", "large", "a long number"],
)
def test_a_file_that_can_be_read_in_two_ways_or_in_none_is_doubted(files: Files, content: bytes) -> None:
    files.write("proof.json", content)
    assert files.verdict() == 1


def test_a_file_that_is_not_there_is_doubted(files: Files) -> None:
    (files.directory / "proof.json").unlink()
    assert files.verdict() == 1


def test_half_a_comparison_is_refused(files: Files) -> None:
    arguments = ["verify_evidence", str(files.directory / "proof.json"), "--key", "key.pem", "--older", "older.json"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit, match="2"):
            verify_evidence.main()
