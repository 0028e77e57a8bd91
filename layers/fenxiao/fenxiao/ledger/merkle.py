"""The Merkle tree of RFC 6962, section 2.1: hashes, proofs that a leaf is in a log, proofs that a log only grew.

Everything is computed from `subtree(height, index)`, the hash of the complete subtree over the leaves from
`index << height` up to `(index + 1) << height`; a log of 10^8 leaves answers a proof with some dozens of such hashes.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

HASH_BYTES: Final = 32
MAX_HEIGHT: Final = 48
"""Of a tree: far above any log, so that sizes and proofs that a stranger hands in are bounded."""
MAX_SIZE: Final = 1 << MAX_HEIGHT
MAX_PROOF_HASHES: Final = MAX_HEIGHT + 1
EMPTY_ROOT: Final = hashlib.sha256().digest()
"""The root of a log without leaves."""

type Subtree = Callable[[int, int], bytes]
"""Height and index → hash of that complete subtree."""
type _Range = tuple[int, int]
"""Leaves that are a node of the tree: the index of the first, and how many."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of a leaf; the prefix keeps a leaf from being taken for a node."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node over its two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(size: int, subtree: Subtree) -> bytes:
    """Return the root of a log of so many leaves.

    Raises:
        ValueError: the size is negative or beyond `MAX_SIZE`.
    """
    _require(0 <= size <= MAX_SIZE)
    return _range_hash(0, size, subtree) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return the audit path of a leaf, from the leaf upwards (RFC 6962, 2.1.1).

    Raises:
        ValueError: the log has no such leaf, or its size is beyond `MAX_SIZE`.
    """
    _require(0 <= index < size <= MAX_SIZE)
    return [_range_hash(*one, subtree) for one in _leaf_siblings(index, size)]


def consistency_proof(old_size: int, new_size: int, subtree: Subtree) -> list[bytes]:
    """Return what proves that the log of the old size is how the log of the new size begins (RFC 6962, 2.1.2).

    Raises:
        ValueError: not 0 <= old size <= new size <= `MAX_SIZE`.
    """
    _require(0 <= old_size <= new_size <= MAX_SIZE)
    if old_size == 0:
        return []
    tail, siblings = _tail_siblings(old_size, new_size)
    # A tail that is the whole old log is left out: the verifier has its root.
    return [_range_hash(*one, subtree) for one in ([tail, *siblings] if tail[0] else siblings)]


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes], tree_root: bytes) -> bool:
    """Tell whether an audit path leads from a leaf's hash to the root; never raises."""
    if not (0 <= index < size <= MAX_SIZE and _well_formed(path, leaf, tree_root)):
        return False
    siblings = _leaf_siblings(index, size)
    if len(path) != len(siblings):
        return False
    reached = leaf
    for (first, _), one in zip(siblings, path, strict=True):
        reached = node_hash(one, reached) if first < index else node_hash(reached, one)
    return reached == tree_root


def is_consistent(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether a proof leads from the same hashes to the old root and to the new one; never raises."""
    if not (0 <= old_size <= new_size <= MAX_SIZE and _well_formed(path, old_root, new_root)):
        return False
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    tail, siblings = _tail_siblings(old_size, new_size)
    hashes = list(path) if tail[0] else [old_root, *path]
    if len(hashes) != 1 + len(siblings):
        return False
    old = new = hashes[0]
    for (first, _), one in zip(siblings, hashes[1:], strict=True):
        if first < old_size:
            old, new = node_hash(one, old), node_hash(one, new)
        else:
            new = node_hash(new, one)
    return (old, new) == (old_root, new_root)


def _leaf_siblings(index: int, size: int) -> list[_Range]:
    """Return the ranges beside the way from a leaf up to the root."""
    return _descent(index, size, lambda _, count: count == 1)[1]


def _tail_siblings(old_size: int, size: int) -> tuple[_Range, list[_Range]]:
    """Return the largest range of the tree that ends where the old log ends, and those beside the way up from it."""
    return _descent(old_size - 1, size, lambda first, count: first + count == old_size)


def _descent(index: int, size: int, arrived: Callable[[int, int], bool]) -> tuple[_Range, list[_Range]]:
    """Go from the root towards a leaf; return where that ends, and the ranges beside the way, the lowest first."""
    siblings = []
    first, count = 0, size
    while not arrived(first, count):
        left = _left_count(count)
        if index - first < left:
            siblings.append((first + left, count - left))
            count = left
        else:
            siblings.append((first, left))
            first, count = first + left, count - left
    return (first, count), siblings[::-1]


def _range_hash(first: int, count: int, subtree: Subtree) -> bytes:
    """Return the hash of a range as RFC 6962 cuts the log: it begins at a multiple of the power of two above it."""
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return subtree(height, first >> height)
    left = _left_count(count)
    return node_hash(_range_hash(first, left, subtree), _range_hash(first + left, count - left, subtree))


def _left_count(count: int) -> int:
    """Return the largest power of two that is smaller."""
    return 1 << ((count - 1).bit_length() - 1)


def _well_formed(path: Sequence[bytes], *ends: bytes) -> bool:
    return len(path) <= MAX_PROOF_HASHES and all(len(one) == HASH_BYTES for one in (*path, *ends))


def _require(condition: bool) -> None:  # noqa: FBT001 - an assertion that stays
    if not condition:
        raise ValueError("the log has no such place")
