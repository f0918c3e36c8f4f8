"""The tree and the chain: known answers, and that a proof holds for what was sealed and for nothing else."""

import hashlib
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from settlements import seal

DAY = date(2026, 11, 23)
# The leaves and roots of RFC 6962's reference tests (Certificate Transparency), for trees of 0 to 8 leaves.
RFC_LEAVES = [
    bytes.fromhex(text)
    for text in [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
]
RFC_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]

leaves = st.lists(st.binary(max_size=40), min_size=1, max_size=70)


def entry(**changed):
    content = {
        "idempotency_key": "payment:1:booked:1",
        "recipe": "payment_settled",
        "business_date": DAY,
        "posted_at": datetime(2026, 11, 23, 7, 30, tzinfo=UTC),
        "reference": "payment:1",
        "description": "Қате түзетілді",
        "reverses": "",
        "lines": (("reserve:BTC:w7.payments", "D", "12345"), ("held:BTC", "C", "12345")),
    }
    return seal.LeafEntry(**{**content, **changed})


@pytest.mark.parametrize("count", range(9))
def test_the_root_is_the_one_of_certificate_transparency(count):
    assert seal.root_of(map(seal.leaf_hash, RFC_LEAVES[:count])).hex() == RFC_ROOTS[count]


def test_a_leaf_is_readable_and_has_one_form():
    assert seal.leaf_bytes(entry()).decode() == (
        '{"business_date":"2026-11-23","description":"Қате түзетілді","key":"payment:1:booked:1",'
        '"lines":[["reserve:BTC:w7.payments","D","12345"],["held:BTC","C","12345"]],'
        '"posted_at":"2026-11-23T07:30:00.000000+00:00","recipe":"payment_settled","reference":"payment:1","reverses":""}'
    )


def test_a_moment_has_one_form_whatever_its_zone():
    almaty = datetime(2026, 11, 23, 12, 30, tzinfo=timezone(timedelta(hours=5)))
    assert seal.leaf_bytes(entry(posted_at=almaty)) == seal.leaf_bytes(entry())


@pytest.mark.parametrize(
    "changed",
    [
        {"idempotency_key": "payment:2:booked:1"},
        {"recipe": "payment_held"},
        {"business_date": DAY + timedelta(days=1)},
        {"posted_at": datetime(2026, 11, 23, 7, 30, 0, 1, tzinfo=UTC)},
        {"reference": "payment:2"},
        {"description": ""},
        {"reverses": "payment:0:booked:1"},
        {"lines": (("reserve:BTC:w7.payments", "D", "12346"), ("held:BTC", "C", "12346"))},
        {"lines": (("held:BTC", "C", "12345"), ("reserve:BTC:w7.payments", "D", "12345"))},
    ],
)
def test_whatever_changes_in_an_entry_changes_its_leaf(changed):
    assert seal.leaf_bytes(entry(**changed)) != seal.leaf_bytes(entry())


@given(leaves, st.data())
def test_every_leaf_has_a_path_to_the_root_and_a_changed_one_has_not(contents, data):
    hashes = [seal.leaf_hash(leaf) for leaf in contents]
    root = seal.root_of(hashes)
    index = data.draw(st.integers(0, len(contents) - 1))
    path = seal.path_of(hashes, index)
    assert seal.root_from(contents[index], path) == root
    assert len(path) <= len(contents).bit_length()

    other = data.draw(st.binary(max_size=40).filter(lambda leaf: leaf != contents[index]))
    assert seal.root_from(other, path) != root
    if path:
        step = data.draw(st.integers(0, len(path) - 1))
        bit = data.draw(st.integers(0, 255))
        side, beside = path[step]
        flipped = (int.from_bytes(beside) ^ (1 << bit)).to_bytes(32)
        assert seal.root_from(contents[index], [*path[:step], (side, flipped), *path[step + 1 :]]) != root
        assert seal.root_from(contents[index], path[:step] + path[step + 1 :]) != root


@given(leaves, st.data())
def test_a_tree_with_a_leaf_changed_left_out_or_added_has_another_root(contents, data):
    hashes = [seal.leaf_hash(leaf) for leaf in contents]
    root = seal.root_of(hashes)
    index = data.draw(st.integers(0, len(contents) - 1))
    other = seal.leaf_hash(data.draw(st.binary(max_size=40).filter(lambda leaf: leaf != contents[index])))
    assert seal.root_of([*hashes[:index], other, *hashes[index + 1 :]]) != root
    assert seal.root_of([*hashes[:index], *hashes[index + 1 :]]) != root
    assert seal.root_of([*hashes, other]) != root


def test_a_node_does_not_pass_for_a_leaf():
    left, right = seal.leaf_hash(b"a"), seal.leaf_hash(b"b")
    assert seal.leaf_hash(left + right) != seal.root_of([left, right])


def test_there_is_no_path_for_a_leaf_that_is_not_there():
    for index in (-1, 2):
        with pytest.raises(IndexError):
            seal.path_of([bytes(32), bytes(32)], index)


def test_a_seal_binds_the_day_its_root_and_the_seal_before():
    made = seal.seal_of(previous=seal.NO_SEAL, day=DAY, root=bytes(32))
    assert made == hashlib.sha256(b"\x02" + bytes(32) + b"2026-11-23" + bytes(32)).digest()
    others = {
        made,
        seal.seal_of(previous=made, day=DAY, root=bytes(32)),
        seal.seal_of(previous=seal.NO_SEAL, day=DAY + timedelta(days=1), root=bytes(32)),
        seal.seal_of(previous=seal.NO_SEAL, day=DAY, root=bytes(31) + b"\x01"),
    }
    assert len(others) == 4
