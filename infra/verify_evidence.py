"""Verifies evidence offline: with the public key and the files alone, without the network and without trust in us.

python -m infra.verify_evidence proof.json --key key.pem
python -m infra.verify_evidence proof.json --key key.pem --older checkpoint.json --consistency consistency.json

`proof.json` is an answer of GET /evidence/{journal}, `checkpoint.json` one of GET /evidence/checkpoint kept from an
earlier day (or an earlier proof, which has one in it), `consistency.json` one of GET /evidence/consistency between the
two sizes. Any doubt ends in exit code 1. Whose key it is, the files cannot say: compare the fingerprint that is shown.
"""

import argparse
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Final, cast

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from fenxiao.clock import SHANGHAI
from fenxiao.ledger.evidence import (
    BadCheckpointError,
    Checkpoint,
    ConsistencyProof,
    InclusionProof,
    JournalDocument,
    SignedCheckpoint,
    canonical,
    hash_of,
    key_id_of,
    parse_checkpoint,
    signature_of,
)
from fenxiao.ledger.merkle import includes, is_consistent, leaf_hash

_MAX_FILE_BYTES: Final = 1 << 20

type Json = dict[str, object]


class DoubtError(Exception):
    """Something does not hold; the message says what."""


class Key:
    """The public key."""

    def __init__(self, pem: bytes) -> None:
        """Take the key as PEM.

        Raises:
            DoubtError: it is not a public key on the curve P-256.
        """
        try:
            public = load_pem_public_key(pem)
        except ValueError as error:
            raise DoubtError("the key is no public key in PEM") from error
        if not isinstance(public, EllipticCurvePublicKey) or not isinstance(public.curve, SECP256R1):
            raise DoubtError("the key is not on the curve P-256")
        self._public = public
        self.fingerprint = key_id_of(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))

    def opened(self, signed: SignedCheckpoint) -> Checkpoint:
        """Return what a checkpoint says, once its signature holds.

        Raises:
            DoubtError: it is not signed by this key, or no checkpoint.
        """
        if signed.key_id != self.fingerprint:
            raise DoubtError(f"the checkpoint names another key, {signed.key_id}")
        try:
            self._public.verify(signature_of(signed.signature), signed.text.encode(), ECDSA(SHA256()))
            return parse_checkpoint(signed.text)
        except InvalidSignature as error:
            raise DoubtError("the checkpoint's signature does not hold") from error
        except BadCheckpointError as error:
            raise DoubtError("what is signed is no checkpoint of the log") from error


def verify_inclusion(proof_file: Path, key: Key) -> tuple[JournalDocument, int, Checkpoint]:
    """Return the journal, its place, and the checkpoint of a log that contains it.

    Raises:
        DoubtError: the proof does not hold.
    """
    raw = _read(proof_file)
    proof = _as(InclusionProof, raw, proof_file)
    checkpoint = key.opened(proof.checkpoint)
    if proof.log_size != checkpoint.size:
        raise DoubtError(f"the proof is for a log of {proof.log_size}, the checkpoint for one of {checkpoint.size}")
    leaf = leaf_hash(canonical(cast("Json", raw["journal"])))  # what the file says, also beyond what is known here
    if not includes(leaf, proof.leaf_index, proof.log_size, _hashes(proof.audit_path), checkpoint.root):
        raise DoubtError("the journal is not in the log at that place")
    if sum(one.amount_fen for one in proof.journal.postings):
        raise DoubtError("the journal's postings do not sum to zero")
    return proof.journal, proof.leaf_index, checkpoint


def verify_consistency(older_file: Path, consistency_file: Path, newer: Checkpoint, key: Key) -> Checkpoint:
    """Return the older checkpoint, whose log is how the newer one begins.

    Raises:
        DoubtError: the proof does not hold.
    """
    raw = _read(older_file)
    older = key.opened(_as(SignedCheckpoint, raw.get("checkpoint", raw), older_file))
    proof = _as(ConsistencyProof, _read(consistency_file), consistency_file)
    if (proof.from_size, proof.to_size) != (older.size, newer.size):
        raise DoubtError(
            f"the consistency proof is from {proof.from_size} to {proof.to_size}, "
            f"the checkpoints are of {older.size} and {newer.size}"
        )
    if older.at > newer.at:
        raise DoubtError("the older checkpoint is the newer one")
    if not is_consistent(older.size, older.root, newer.size, newer.root, _hashes(proof.path)):
        raise DoubtError("the older log is not how the newer one begins: what stood in it was changed")
    return older


def _read(file: Path) -> Json:
    """Return a JSON object that means the same to every reader: no name twice, no fractions."""
    if file.stat().st_size > _MAX_FILE_BYTES:
        raise DoubtError(f"{file} is too large")
    try:
        found = json.loads(
            file.read_bytes(), object_pairs_hook=_object, parse_float=_fraction, parse_constant=_fraction
        )
    except (ValueError, RecursionError) as error:
        raise DoubtError(f"{file} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise DoubtError(f"{file} is no JSON object")
    return found


def _object(pairs: list[tuple[str, object]]) -> Json:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in an object")
    return found


def _fraction(text: str) -> object:
    raise ValueError(f"{text} is no whole number")


def _as[T](form: type[T], raw: object, file: Path) -> T:
    try:
        return msgspec.convert(raw, form, strict=True)
    except msgspec.ValidationError as error:
        raise DoubtError(f"{file}: {error}") from error


def _hashes(texts: list[str]) -> list[bytes]:
    try:
        return [hash_of(text) for text in texts]
    except ValueError as error:
        raise DoubtError("the path holds something that is no hash") from error


def _report(journal: JournalDocument, index: int, checkpoint: Checkpoint, key: Key) -> list[str]:
    return [
        f"journal      {journal.collection} {journal.number}, {journal.event} at {journal.at}",
        *(
            f"             {one.amount_fen:+12d} fen  {one.account} {one.member_id} {one.tax_class}".rstrip()
            for one in journal.postings
        ),
        f"stands at    {index} in the log of {checkpoint.size}, signed {_shanghai(checkpoint.at)}",
        f"signed by    the key with the SHA-256 fingerprint {key.fingerprint}",
    ]


def _shanghai(moment: datetime) -> str:
    return moment.astimezone(SHANGHAI).isoformat(sep=" ", timespec="seconds")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra.verify_evidence", description="Verify evidence offline.")
    parser.add_argument("proof", type=Path, help="answer of GET /evidence/{journal}")
    parser.add_argument("--key", type=Path, required=True, help="the public key, PEM")
    parser.add_argument("--older", type=Path, help="a checkpoint, or a proof, of an earlier day")
    parser.add_argument("--consistency", type=Path, help="answer of GET /evidence/consistency between the two")
    return parser


def main() -> int:
    """Verify what the command line names; the exit code."""
    parser = _parser()
    arguments = parser.parse_args()
    if (arguments.older is None) != (arguments.consistency is None):
        parser.error("--older and --consistency belong together")
    try:
        key = Key(arguments.key.read_bytes())
        journal, index, checkpoint = verify_inclusion(arguments.proof, key)
        lines = _report(journal, index, checkpoint, key)
        if arguments.older:
            older = verify_consistency(arguments.older, arguments.consistency, checkpoint, key)
            lines.append(f"grew from    the log of {older.size}, signed {_shanghai(older.at)}, and from nothing else")
    except (DoubtError, OSError) as doubt:
        print(f"NOT VERIFIED: {doubt}", file=sys.stderr)
        return 1
    print("\n".join([*lines, "VERIFIED"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
