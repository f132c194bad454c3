"""What is remembered of the head of the list, and what that makes the next look find."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbell.algolia import IngestionClient, ListPage
from runbell.connections import DIGEST, Scan
from runbell.deadline import Deadline
from runbell.discovery import (
    FRONT,
    LONGEST_FRONT,
    Discovery,
    Finding,
    Row,
    Settled,
    front_after,
    in_batches,
)

ROWS_A_PAGE = 3


class Listing:
    """A list of a few rows a page."""

    def __init__(self, documents: Sequence[object]) -> None:
        self.documents = list(documents)
        self.pages_read: list[int] = []

    def list_runs(self, deadline: Deadline, *, page: int, **query: Any) -> ListPage:
        self.pages_read.append(page)
        first = (page - 1) * ROWS_A_PAGE
        items = self.documents[first : first + ROWS_A_PAGE]
        total = len(self.documents)
        return ListPage(tuple(items), first + ROWS_A_PAGE < total, total)


def look(listing: Listing, scan: Scan, *, listing_time: float = 60) -> Finding:
    discovery = Discovery(cast("IngestionClient", listing))
    return discovery.look(scan, Deadline(60), Deadline(listing_time))


def digests(documents: Sequence[object]) -> tuple[bytes, ...]:
    return tuple(Row.of(each).digest for each in documents)


def documents_of(finding: Finding) -> list[object]:
    return [row.document for row in finding.rows]


def test_a_digest_says_what_a_row_shows_and_not_how_it_is_written() -> None:
    assert Row.of({"a": 1, "b": [2]}).digest == Row.of({"b": [2], "a": 1}).digest
    assert Row.of({"a": 1}).digest != Row.of({"a": 2}).digest
    assert Row.of({"a": 1}).digest != Row.of({"a": "1"}).digest
    assert len(Row.of(None).digest) == DIGEST


def test_a_look_ends_behind_the_first_page_on_which_nothing_is_new() -> None:
    listing = Listing("abcdefghijkl")
    finding = look(listing, Scan(front=digests("defghi")))

    assert listing.pages_read == [1, 2]
    assert documents_of(finding) == ["c", "b", "a"]
    assert (finding.is_whole, finding.is_all) == (True, False)


def test_a_page_with_one_new_row_is_no_quiet_one() -> None:
    listing = Listing("abcdefghijkl")
    finding = look(listing, Scan(front=digests("abcdeghi")))

    assert listing.pages_read == [1]
    assert documents_of(finding) == []
    listing = Listing("xabcdefghijkl")
    finding = look(listing, Scan(front=digests("abcdefghijkl")))
    assert listing.pages_read == [1, 2]
    assert documents_of(finding) == ["x"]


def test_a_look_ends_with_the_list() -> None:
    finding = look(Listing("abcd"), Scan())

    assert documents_of(finding) == ["d", "c", "b", "a"]
    assert (finding.is_whole, finding.is_all) == (True, True)
    assert look(Listing(""), Scan()) == Finding((), (), is_whole=True, is_all=True)


def test_a_look_whose_time_is_over_says_that_it_is_not_whole() -> None:
    listing = Listing("abcdefghi")
    finding = look(listing, Scan(), listing_time=0)

    assert listing.pages_read == [1]
    assert (finding.is_whole, finding.is_all) == (False, False)


def test_a_row_that_is_seen_twice_is_worked_off_once() -> None:
    assert documents_of(look(Listing("abccde"), Scan())) == ["e", "d", "c", "b", "a"]


def test_the_head_of_the_list_is_remembered_before_what_was_remembered() -> None:
    finding = look(Listing("xyabc"), Scan(front=digests("abcde")))

    assert front_after(Scan(front=digests("abcde")), finding, ()) == digests("xyabcde")


def test_a_quiet_look_leaves_what_is_remembered_as_it_is() -> None:
    scan = Scan(front=digests("abcdefg"))

    assert front_after(scan, look(Listing("abcdefg"), scan), ()) == scan.front


def test_only_so_much_is_remembered() -> None:
    listing = Listing([f"row {number}" for number in range(FRONT + 50)])
    finding = look(listing, Scan())
    front = front_after(Scan(), finding, ())
    assert front == digests(listing.documents[:FRONT])

    last = Row.of(listing.documents[0]).digest
    assert len(front_after(Scan(), finding, [last])) == FRONT + 49


def test_what_is_remembered_of_a_long_look_fits_an_item() -> None:
    many = tuple(
        hashlib.blake2b(str(n).encode(), digest_size=DIGEST).digest()
        for n in range(LONGEST_FRONT + 9)
    )
    finding = Finding((), many, is_whole=True, is_all=False)
    front = front_after(Scan(), finding, many[:1])
    assert sum(map(len, front)) < 300_000


@given(
    rows=st.lists(st.integers(0, 30), unique=True, max_size=24),
    data=st.data(),
)
def test_what_was_left_over_is_found_by_the_next_look_whatever_it_was(
    rows: list[int], data: st.DataObject
) -> None:
    known = data.draw(st.sets(st.sampled_from(rows)) if rows else st.just(set()))
    before = Scan(front=digests(sorted(known)))
    finding = look(Listing(rows), before)
    left = data.draw(st.sets(st.sampled_from(finding.rows)) if finding.rows else st.just(set()))
    after = Scan(front=front_after(before, finding, [row.digest for row in left]))
    newer = data.draw(st.integers(0, 7))

    found = look(Listing([*(f"new {n}" for n in range(newer)), *rows]), after)

    documents = documents_of(found)
    assert {row.document for row in left} <= set(documents)
    assert {f"new {n}" for n in range(newer)} <= set(documents)


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (3, [3]), (8, [5, 3])])
def test_rows_are_cut_into_batches_in_their_order(count: int, sizes: list[int]) -> None:
    rows = [Row.of(number) for number in range(count)]
    batches = list(in_batches(rows, 5))
    assert [len(batch) for batch in batches] == sizes
    assert [row for batch in batches for row in batch] == rows


def test_settled_rows_are_left_out_until_people_care_for_other_runs() -> None:
    settled, rows = Settled(), [Row.of(number) for number in range(4)]
    assert settled.but(rows, watches_all=False) == rows
    settled.add(row.digest for row in rows[:3])

    assert settled.but(rows, watches_all=False) == rows[3:]
    assert settled.but(rows, watches_all=True) == rows
