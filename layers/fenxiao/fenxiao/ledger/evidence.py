"""What of a journal goes into the Merkle log, what the key signs about the log, and the proofs as they are handed out.

The leaf of a journal is its canonical JSON. Whoever holds a proof forms the same bytes from the journal in it, with any
JSON library: keys sorted, no spaces, UTF-8 without needless escapes, whole numbers only.

A checkpoint is a text of four lines: the log's name, its size, its root in base64, and the instant. It follows the
checkpoints of transparency logs (C2SP tlog-checkpoint), whose first three lines are these. The signature is ECDSA on
P-256 with SHA-256 over this text, in DER.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final

import msgspec
from msgspec import Struct

from fenxiao.clock import shanghai_day
from fenxiao.ledger.merkle import HASH_BYTES, MAX_SIZE
from fenxiao.ledger.model import Journal

LOG_NAME: Final = "fenxiao/ledger"
_ID_LIMIT: Final = 200
_NUMBER_DIGITS: Final = 6
_TEXT_LIMIT: Final = 300
_SIGNATURE_LIMIT: Final = 200
_CHECKPOINT_LINES: Final = 4
_PEM_WIDTH: Final = 64


class PostingDocument(Struct, frozen=True, kw_only=True):
    """A posting as the leaf holds it; `member_id` and `tax_class` are empty for the platform's accounts."""

    member_id: str
    tax_class: str
    account: str
    amount_fen: int


class JournalDocument(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A journal as the leaf holds it: all of it, and opaque ids only, so it may stay for ever (M31).

    A leaf never changes: a field that journals come to have later has a default here, which is left out.
    """

    collection: str
    number: int
    event: str
    hash: str
    at: str
    posted_at: str
    paid_day: str
    sale_fen: int
    postings: tuple[PostingDocument, ...]


class SignedCheckpoint(Struct, frozen=True, kw_only=True):
    """A checkpoint's text, its signature in base64, and the SHA-256 of the public key (DER) in hexadecimal."""

    text: str
    signature: str
    key_id: str


class InclusionProof(Struct, frozen=True, kw_only=True):
    """Proof that a journal is in the log: audit path from the leaf upwards, hashes in base64 (RFC 6962, 2.1.1)."""

    journal: JournalDocument
    leaf_index: int
    log_size: int
    audit_path: list[str]
    checkpoint: SignedCheckpoint


class ConsistencyProof(Struct, frozen=True, kw_only=True):
    """Proof that the log of one size is how the log of another begins; hashes in base64 (RFC 6962, 2.1.2)."""

    from_size: int
    to_size: int
    path: list[str]


class Checkpoint(Struct, frozen=True, kw_only=True):
    """What the log was at an instant."""

    size: int
    root: bytes
    at: datetime

    @property
    def day(self) -> date:
        """Return the Shanghai day on which it was signed; a day has one."""
        return shanghai_day(self.at)


class BadCheckpointError(ValueError):
    """The text is not a checkpoint of this log."""


def leaf_bytes(journal: Journal) -> bytes:
    """Return the leaf of a journal: its canonical JSON."""
    return canonical(msgspec.to_builtins(document_of(journal)))


def document_of(journal: Journal) -> JournalDocument:
    """Return a journal as its leaf says it; instants to the millisecond, as the tables keep them."""
    return JournalDocument(
        collection=journal.collection,
        number=journal.number,
        event=journal.event,
        hash=journal.hash,
        at=_instant(journal.at),
        posted_at=_instant(journal.posted_at),
        paid_day=journal.paid_day,
        sale_fen=journal.sale_fen,
        postings=tuple(
            PostingDocument(
                member_id=one.member_id, tax_class=one.tax_class, account=one.account, amount_fen=one.amount_fen
            )
            for one in journal.postings
        ),
    )


def canonical(document: Mapping[str, object]) -> bytes:
    """Return the one form of a JSON object that is hashed."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def journal_id(collection: str, number: int) -> str:
    """Return a journal's name in addresses, such as `order~T0…~0`."""
    return f"{collection}#{number}".replace("#", "~")


def parse_journal_id(text: str) -> tuple[str, int] | None:
    """Return collection and number of a journal's name in addresses, `None` if it cannot be one."""
    if len(text) > _ID_LIMIT or not text.isascii() or "#" in text:
        return None
    name, _, digits = text.rpartition("~")
    if not (name and digits.isdigit() and len(digits) <= _NUMBER_DIGITS):
        return None
    parsed = name.replace("~", "#"), int(digits)
    return parsed if journal_id(*parsed) == text else None


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """Return the text that the key signs."""
    return f"{LOG_NAME}\n{checkpoint.size}\n{base64_text(checkpoint.root)}\n{_instant(checkpoint.at)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """Return what a checkpoint says.

    Raises:
        BadCheckpointError: it is not exactly what `checkpoint_text` writes.
    """
    lines = text.split("\n") if len(text) <= _TEXT_LIMIT else []
    try:
        _, size, root, at = lines[:_CHECKPOINT_LINES]
        parsed = Checkpoint(size=int(size), root=hash_of(root), at=datetime.fromisoformat(at).astimezone(UTC))
    except ValueError as error:
        raise BadCheckpointError("this is no checkpoint") from error
    if not 0 <= parsed.size <= MAX_SIZE or checkpoint_text(parsed) != text:
        raise BadCheckpointError("this is no checkpoint")
    return parsed


def base64_text(content: bytes) -> str:
    """Return bytes as proofs and checkpoints write them."""
    return base64.b64encode(content).decode()


def hash_of(text: str) -> bytes:
    """Return the hash that a proof or a checkpoint writes in base64.

    Raises:
        ValueError: it is not the base64 of 32 bytes.
    """
    digest = _decoded(text)
    if len(digest) != HASH_BYTES:
        raise ValueError("this is no hash")
    return digest


def signature_of(text: str) -> bytes:
    """Return the signature's DER; empty, which no key accepts, if the text is no base64 of a signature's length."""
    try:
        return _decoded(text) if len(text) <= _SIGNATURE_LIMIT else b""
    except ValueError:
        return b""


def key_id_of(public_key_der: bytes) -> str:
    """Return the name of a key, which anyone can compute from the public key: its SHA-256 in hexadecimal."""
    return hashlib.sha256(public_key_der).hexdigest()


def pem_of(public_key_der: bytes) -> str:
    """Return a public key as PEM (RFC 7468)."""
    text = base64_text(public_key_der)
    lines = [text[start : start + _PEM_WIDTH] for start in range(0, len(text), _PEM_WIDTH)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _decoded(text: str) -> bytes:
    """Return what base64 says; refuses a second way of writing the same bytes."""
    content = base64.b64decode(text, validate=True)
    if base64_text(content) != text:
        raise ValueError("this is no base64")
    return content
