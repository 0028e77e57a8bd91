"""The published vectors of Certificate Transparency, and the bounds of what a stranger may hand in."""

import pytest

from fenxiao.ledger.merkle import (
    EMPTY_ROOT,
    MAX_PROOF_HASHES,
    MAX_SIZE,
    consistency_proof,
    includes,
    inclusion_proof,
    is_consistent,
    leaf_hash,
    node_hash,
    root,
)
from tests.support.evidence import naive_root

# The reference tests of the Certificate Transparency project (RFC 6962): eight leaves, the roots of the logs of one to
# eight of them, and proofs.
ENTRIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
INCLUSION = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def subtree(height: int, index: int) -> bytes:
    return naive_root(LEAVES[index << height : (index + 1) << height])


def decoded(texts: list[str]) -> list[bytes]:
    return [bytes.fromhex(text) for text in texts]


def test_roots_are_the_published_ones() -> None:
    assert [root(size, subtree) for size in range(1, 9)] == ROOTS
    assert root(0, subtree).hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize("place", INCLUSION, ids=str)
def test_inclusion_proofs_are_the_published_ones(place: tuple[int, int]) -> None:
    index, size = place
    path = decoded(INCLUSION[place])
    assert inclusion_proof(index, size, subtree) == path
    assert includes(LEAVES[index], index, size, path, ROOTS[size - 1])


@pytest.mark.parametrize("sizes", CONSISTENCY, ids=str)
def test_consistency_proofs_are_the_published_ones(sizes: tuple[int, int]) -> None:
    old, new = sizes
    path = decoded(CONSISTENCY[sizes])
    assert consistency_proof(old, new, subtree) == path
    assert is_consistent(old, ROOTS[old - 1], new, ROOTS[new - 1], path)


def test_proofs_are_those_of_the_example_in_rfc_6962() -> None:
    """Section 2.1.3 draws a log of seven leaves and names its nodes from a to l."""
    a, b, c, d, e, f, j = LEAVES[:7]
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, m = node_hash(g, h), node_hash(i, j)  # m is the RFC's l
    assert root(7, subtree) == node_hash(k, m)
    paths = {0: [b, h, m], 3: [c, g, m], 4: [f, j, k], 6: [i, k]}
    assert {index: inclusion_proof(index, 7, subtree) for index in paths} == paths
    proofs = {3: [c, d, g, m], 4: [m], 6: [i, j, k]}
    assert {size: consistency_proof(size, 7, subtree) for size in proofs} == proofs


def test_a_leaf_is_never_taken_for_a_node() -> None:
    assert leaf_hash(LEAVES[0] + LEAVES[1]) != node_hash(LEAVES[0], LEAVES[1])


@pytest.mark.parametrize(("index", "size"), [(-1, 8), (8, 8), (0, 0), (0, MAX_SIZE + 1)])
def test_no_proof_of_a_leaf_that_is_not_there(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no such place"):
        inclusion_proof(index, size, subtree)
    assert not includes(LEAVES[0], index, size, [], LEAVES[0])


@pytest.mark.parametrize(("old", "new"), [(-1, 8), (8, 7), (1, MAX_SIZE + 1)])
def test_no_consistency_proof_between_sizes_that_cannot_be(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no such place"):
        consistency_proof(old, new, subtree)
    assert not is_consistent(old, ROOTS[0], new, ROOTS[0], [])


def test_every_log_grew_from_the_empty_one() -> None:
    assert consistency_proof(0, 8, subtree) == []
    assert is_consistent(0, EMPTY_ROOT, 8, ROOTS[7], [])
    assert not is_consistent(0, ROOTS[0], 8, ROOTS[7], [])
    assert not is_consistent(0, EMPTY_ROOT, 8, ROOTS[7], [ROOTS[0]])


def test_proofs_of_another_length_or_of_other_hashes_are_refused() -> None:
    path = inclusion_proof(5, 8, subtree)
    for changed in (path[:-1], [*path, ROOTS[0]], [path[0][:-1], *path[1:]], path * MAX_PROOF_HASHES, []):
        assert not includes(LEAVES[5], 5, 8, changed, ROOTS[7])
    proof = consistency_proof(6, 8, subtree)
    for changed in (proof[:-1], [*proof, ROOTS[0]], [proof[0][:-1], *proof[1:]], proof * MAX_PROOF_HASHES, []):
        assert not is_consistent(6, ROOTS[5], 8, ROOTS[7], changed)
    assert not includes(LEAVES[5][:-1], 5, 8, path, ROOTS[7])
    assert not is_consistent(4, ROOTS[3], 4, ROOTS[4], [])
