"""The tree, its proofs and their verifier: known vectors, an independent library, and a server that lies."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree
from pymerkle.hasher import MerkleHasher

from services.audit.integrity.merkle import TILE_WIDTH, Place, Tree
from services.audit.verifier import (
    EMPTY_ROOT,
    Frontier,
    Refused,
    check_consistency,
    check_inclusion,
    leaf_hash,
    node_hash,
)

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
"""Inputs of the reference tests of Certificate Transparency, with the roots over the first 1 … 8 of them."""
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    # (leaf, size): audit path, from the same tests
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
STEPS = {
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


def a_tree(leaves: list[bytes]) -> Tree:
    kept: dict[Place, bytes] = {}
    tree = Tree(0, lambda level, index: kept[level, index])
    tree.extend(map(leaf_hash, leaves))
    kept.update(tree.take_changed())
    return tree


def test_roots_are_those_of_the_reference_tests():
    tree, frontier = a_tree(LEAVES), Frontier()
    assert tree.root(0) == frontier.root() == EMPTY_ROOT
    for size, root in enumerate(ROOTS, 1):
        frontier.append(leaf_hash(LEAVES[size - 1]))
        assert tree.root(size).hex() == frontier.root().hex() == root


@pytest.mark.parametrize(("leaf", "size"), PATHS)
def test_inclusion_paths_are_those_of_the_reference_tests(leaf, size):
    path = a_tree(LEAVES).inclusion(leaf, size)
    assert [step.hex() for step in path] == PATHS[leaf, size]
    check_inclusion(leaf, size, leaf_hash(LEAVES[leaf]), path, bytes.fromhex(ROOTS[size - 1]))


@pytest.mark.parametrize(("first", "second"), STEPS)
def test_consistency_paths_are_those_of_the_reference_tests(first, second):
    path = a_tree(LEAVES).consistency(first, second)
    assert [step.hex() for step in path] == STEPS[first, second]
    check_consistency(first, second, bytes.fromhex(ROOTS[first - 1]), bytes.fromhex(ROOTS[second - 1]), path)


def test_an_independent_library_agrees():
    entries = [b"%d" % number for number in range(300)]
    theirs, ours = InmemoryTree(algorithm="sha256"), a_tree(entries)
    hasher = MerkleHasher("sha256", True)
    for entry in entries:
        theirs.append_entry(entry)
    assert hasher.hash_buff(entries[7]) == leaf_hash(entries[7])
    for size in (1, 2, 3, 7, 64, 255, 256, 257, 300):
        assert theirs.get_root(size) == ours.root(size)
        for index in {0, size // 2, size - 1}:
            proof = theirs.prove_inclusion(index + 1, size).serialize()
            assert [bytes.fromhex(step) for step in proof["path"]][1:] == ours.inclusion(index, size) or size == 1


@given(st.integers(1, 3 * TILE_WIDTH + 5), st.data())
def test_every_proof_of_every_size_holds(size, data):
    leaves = [b"%d" % number for number in range(size)]
    tree = a_tree(leaves)
    at = data.draw(st.integers(1, size))
    index = data.draw(st.integers(0, at - 1))
    check_inclusion(index, at, leaf_hash(leaves[index]), tree.inclusion(index, at), tree.root(at))
    first = data.draw(st.integers(0, at))
    check_consistency(first, at, tree.root(first), tree.root(at), tree.consistency(first, at))


def test_a_tree_goes_on_from_the_tiles_that_were_kept():
    kept: dict[Place, bytes] = {}
    size, expected = 0, Frontier()
    for count in (1, 254, 1, 1, 600, 65_000, 3):
        tree = Tree(size, lambda level, index: kept[level, index])
        leaves = [leaf_hash(b"%d" % (size + number)) for number in range(count)]
        tree.extend(leaves)
        for leaf in leaves:
            expected.append(leaf)
        assert tree.root() == expected.root()
        kept.update(tree.take_changed())
        size += count
        assert tree.root() == expected.root()
    again = Tree(size, lambda level, index: kept[level, index])
    check_consistency(255, size, again.root(255), again.root(), again.consistency(255, size))
    assert max(len(hashes) for hashes in kept.values()) == 32 * TILE_WIDTH


# A server that lies. (Sizes are signed together with the root: a proof alone does not tell 99 leaves from 100 where
# both trees have the same shape above the leaf.)


def test_a_forged_inclusion_proof_is_refused():
    tree = a_tree([b"%d" % number for number in range(100)])
    leaf, path, root = leaf_hash(b"41"), tree.inclusion(41, 100), tree.root()
    check_inclusion(41, 100, leaf, path, root)
    other = leaf_hash(b"forged")
    for index, size, claimed, steps, against in (
        (41, 100, other, path, root),
        (40, 100, leaf, path, root),
        (41, 64, leaf, path, root),
        (41, 100, leaf, path[:-1], root),
        (41, 100, leaf, [*path, other], root),
        (41, 100, leaf, list(reversed(path)), root),
        (41, 100, leaf, [other, *path[1:]], root),
        (41, 100, leaf, [], leaf),  # "the root is the leaf"
        (100, 100, leaf, path, root),
        (-1, 100, leaf, path, root),
        (0, 0, leaf, [], root),
        (41, 2**70, leaf, path, root),
        (41, 100, leaf[:31], path, root),
        (41, 100, leaf, [path[0][:31], *path[1:]], root),
    ):
        with pytest.raises(Refused):
            check_inclusion(index, size, claimed, steps, against)


def test_an_inner_node_does_not_pass_for_a_leaf():
    tree = a_tree([b"a", b"b", b"c", b"d"])
    inner = leaf_hash(b"a") + leaf_hash(b"b")
    with pytest.raises(Refused):
        check_inclusion(0, 2, leaf_hash(inner), [node_hash(leaf_hash(b"c"), leaf_hash(b"d"))], tree.root())


def test_a_forged_consistency_proof_is_refused():
    leaves = [b"%d" % number for number in range(100)]
    tree, rewritten = a_tree(leaves), a_tree([b"forged", *leaves[1:]])
    path = tree.consistency(37, 100)
    check_consistency(37, 100, tree.root(37), tree.root(), path)
    other = leaf_hash(b"forged")
    for first, second, old, new, steps in (
        (37, 100, tree.root(37), rewritten.root(), path),
        (37, 100, tree.root(37), rewritten.root(), rewritten.consistency(37, 100)),
        (37, 100, rewritten.root(37), tree.root(), path),
        (36, 100, tree.root(37), tree.root(), path),
        (37, 64, tree.root(37), tree.root(), path),
        (37, 100, tree.root(37), tree.root(), path[:-1]),
        (37, 100, tree.root(37), tree.root(), [*path, other]),
        (37, 100, tree.root(37), tree.root(), []),
        (100, 37, tree.root(), tree.root(37), path),
        (64, 100, tree.root(64), rewritten.root(), []),
        (100, 100, tree.root(), rewritten.root(), []),
        (100, 100, tree.root(), tree.root(), [other]),
        (0, 100, other, tree.root(), []),
        (0, 100, EMPTY_ROOT, tree.root(), [other]),
        (-1, 100, EMPTY_ROOT, tree.root(), []),
    ):
        with pytest.raises(Refused):
            check_consistency(first, second, old, new, steps)


def test_a_thousand_random_changes_of_proofs_are_refused():
    randomly = random.Random(7)
    tree = a_tree([b"%d" % number for number in range(777)])
    for _ in range(1_000):
        size = randomly.randrange(2, 778)
        index = randomly.randrange(size)
        parts = [leaf_hash(b"%d" % index), *tree.inclusion(index, size), tree.root(size)]
        which, place, bit = randomly.randrange(len(parts)), randomly.randrange(32), 1 << randomly.randrange(8)
        parts[which] = parts[which][:place] + bytes([parts[which][place] ^ bit]) + parts[which][place + 1 :]
        with pytest.raises(Refused):
            check_inclusion(index, size, parts[0], parts[1:-1], parts[-1])
