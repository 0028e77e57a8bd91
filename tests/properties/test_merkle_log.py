"""The Merkle log, against RFC 6962's definitions taken word for word."""

from hypothesis import given
from hypothesis import strategies as st

from fenxiao.ledger.merkle import (
    consistency_proof,
    includes,
    inclusion_proof,
    is_consistent,
    node_hash,
    root,
)
from fenxiao.ledger.tiles import TILE_WIDTH, Tile, TileTree, growth
from tests.support.evidence import made_up_leaves, naive_consistency, naive_inclusion, naive_root

MAX_SMALL = 70
LEAVES = made_up_leaves(MAX_SMALL)
ROOTS = [naive_root(LEAVES[:size]) for size in range(MAX_SMALL + 1)]
LARGE = 123_456_789


def subtree(height: int, index: int) -> bytes:
    return naive_root(LEAVES[index << height : (index + 1) << height])


def flipped(hashes: list[bytes], which: int, byte: int, bit: int) -> list[bytes]:
    """The hashes with one bit of one of them turned."""
    one = bytearray(hashes[which])
    one[byte] ^= 1 << bit
    return [*hashes[:which], bytes(one), *hashes[which + 1 :]]


@st.composite
def places(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, MAX_SMALL))
    return draw(st.integers(0, size - 1)), size


BITS = st.tuples(st.integers(0, 2**16), st.integers(0, 31), st.integers(0, 7))


def test_every_leaf_of_every_log_is_proved_by_the_path_of_the_definition() -> None:
    for size in range(1, MAX_SMALL + 1):
        assert root(size, subtree) == ROOTS[size]
        for index in range(size):
            path = inclusion_proof(index, size, subtree)
            assert path == naive_inclusion(index, LEAVES[:size])
            assert includes(LEAVES[index], index, size, path, ROOTS[size])


def test_every_pair_of_logs_is_consistent_by_the_proof_of_the_definition() -> None:
    for new in range(1, MAX_SMALL + 1):
        for old in range(1, new + 1):
            proof = consistency_proof(old, new, subtree)
            assert proof == naive_consistency(old, LEAVES[:new])
            assert is_consistent(old, ROOTS[old], new, ROOTS[new], proof)


@given(places(), BITS)
def test_an_inclusion_proof_with_any_bit_changed_fails(place: tuple[int, int], bit: tuple[int, int, int]) -> None:
    index, size = place
    given_hashes = [LEAVES[index], ROOTS[size], *inclusion_proof(index, size, subtree)]
    which, byte, shift = bit
    leaf, top, *path = flipped(given_hashes, which % len(given_hashes), byte, shift)
    assert not includes(leaf, index, size, path, top)


@given(places(), places())
def test_an_inclusion_proof_holds_at_its_own_place_only(place: tuple[int, int], other: tuple[int, int]) -> None:
    (index, size), (other_index, other_size) = place, other
    path = inclusion_proof(index, size, subtree)
    holds = includes(LEAVES[index], other_index, other_size, path, ROOTS[other_size])
    assert holds == (place == other)


@given(places(), BITS)
def test_a_consistency_proof_with_any_bit_changed_fails(place: tuple[int, int], bit: tuple[int, int, int]) -> None:
    old, new = place[0] + 1, place[1]
    given_hashes = [ROOTS[old], ROOTS[new], *consistency_proof(old, new, subtree)]
    which, byte, shift = bit
    old_root, new_root, *proof = flipped(given_hashes, which % len(given_hashes), byte, shift)
    assert not is_consistent(old, old_root, new, new_root, proof)


@given(places(), st.integers(0, 2**16))
def test_no_proof_leads_from_a_log_to_one_in_which_an_old_leaf_was_changed(place: tuple[int, int], which: int) -> None:
    old, new = place[0] + 1, place[1]
    forged = [*LEAVES[:new]]
    forged[which % old] = LEAVES[which % old][::-1]

    def forged_subtree(height: int, index: int) -> bytes:
        return naive_root(forged[index << height : (index + 1) << height])

    proof = consistency_proof(old, new, forged_subtree)
    assert not is_consistent(old, ROOTS[old], new, naive_root(forged), proof)


@given(st.lists(st.integers(1, 700), min_size=1, max_size=4))
def test_tiles_of_a_log_that_grows_give_the_tree_of_the_definition(steps: list[int]) -> None:
    tiles: dict[Tile, bytes] = {}
    leaves = made_up_leaves(sum(steps))
    size = 0
    for step in steps:
        for tile, hashes in growth(size, leaves[size : size + step], tiles.__getitem__):
            assert len(hashes) == 32 * tile.width
            assert tiles.setdefault(tile, hashes) == hashes, "a tile never changes"
        old, size = size, size + step
        tree = TileTree(size, tiles.__getitem__).subtree
        top = naive_root(leaves[:size])
        assert root(size, tree) == top
        for index in {0, old, size // 2, size - 1}:
            assert includes(leaves[index], index, size, inclusion_proof(index, size, tree), top)
        proof = consistency_proof(old, size, tree)
        assert is_consistent(old, naive_root(leaves[:old]), size, top, proof)


@given(st.integers(1, LARGE), st.integers(0, LARGE - 1))
def test_proofs_of_a_log_of_a_hundred_million_leaves_read_few_tiles(old: int, index: int) -> None:
    """All its leaves are alike, so that every tile of a level is, too."""
    levels = made_up_leaves(1)
    for _ in range(4):
        hashed = levels[-1]
        for _ in range(8):
            hashed = node_hash(hashed, hashed)
        levels.append(hashed)
    reads: list[Tile] = []

    def read(tile: Tile) -> bytes:
        assert 1 <= tile.width <= TILE_WIDTH
        reads.append(tile)
        return levels[tile.level] * tile.width

    tree = TileTree(LARGE, read)
    path = inclusion_proof(index, LARGE, tree.subtree)
    assert includes(levels[0], index, LARGE, path, root(LARGE, tree.subtree))
    assert len(reads) <= 8
    assert len(reads) == len(set(reads))
    older = TileTree(old, read)
    proof = consistency_proof(old, LARGE, tree.subtree)
    assert is_consistent(old, root(old, older.subtree), LARGE, root(LARGE, tree.subtree), proof)
