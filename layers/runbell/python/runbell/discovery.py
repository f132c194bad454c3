"""Finds the runs that could have changed, in a list that moves while it is read.

The list is sorted by what was updated last. What a look finds at its head is remembered as
digests, row by row; a row with a known digest has nothing new, and behind a page of such rows
there is nothing new either.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from runbell.algolia import IngestionClient
from runbell.connections import DIGEST, Scan
from runbell.deadline import Deadline
from runbell.errors import MalformedRunError, RunbellError
from runbell.observability import logger, told
from runbell.run import Run, Status, instant, parse_run, timestamp

WINDOW = timedelta(days=7)
"""How far back runs are listed; the vendor's own default."""

PAGES = 100
"""Pages that are read of a list that is to be had as a whole."""

FRONT = 256
"""Digests that are remembered: two pages, and some of what has gone down to the third."""

LONGEST_FRONT = 32_768
"""Digests that are remembered while rows are left over: an item holds 400 KB in all."""

MOST_SETTLED = 100_000
"""Digests that a process keeps in mind, about 12 MB."""

ACTIVE = (Status.CREATED, Status.STARTED)
"""The statuses of runs that go on."""

FULL_LOOK = timedelta(hours=1)
"""After which all pages are looked through again."""


@dataclass(frozen=True)
class Row:
    """A run as a list shows it, not yet read, and the digest of all that it shows."""

    digest: bytes
    document: object

    @classmethod
    def of(cls, document: object) -> Row:
        """The row of a document."""
        text = json.dumps(document, sort_keys=True)
        return cls(hashlib.blake2b(text.encode(), digest_size=DIGEST).digest(), document)

    @property
    def goes_on(self) -> bool:
        """Whether it shows a run that has not ended; one with an unknown status may have."""
        status = self.document.get("status") if isinstance(self.document, Mapping) else None
        return status in ACTIVE


@dataclass(frozen=True)
class Finding:
    """What a look at the head of the list has found.

    Args:
        rows: What may be new, in the order in which it was updated, the earliest first.
        digests: Those of all rows that were seen, in the order of the list.
        is_whole: Whether the look came to a page on which nothing is new, or to the last page.
        is_all: Whether it came to the last page.
        active: The rows of runs that go on, new or not.
        failure: Why a page after the first could not be had, if so.
    """

    rows: tuple[Row, ...]
    digests: tuple[bytes, ...]
    is_whole: bool
    is_all: bool
    active: tuple[Row, ...] = ()
    failure: RunbellError | None = None


class Discovery:
    """Reads the list of a connection's runs.

    Args:
        client: Reads it.
        now: The time of day.
    """

    def __init__(
        self,
        client: IngestionClient,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._now = now

    def look(
        self, scan: Scan, deadline: Deadline, listing: Deadline, *, attempts: int | None = None
    ) -> Finding:
        """Read the list from its head to the first page on which nothing is new.

        Args:
            scan: What earlier looks have seen.
            deadline: When to be done.
            listing: When to ask for no further page.
            attempts: Requests for a page, the first included; as many as usual, if not given.

        Raises:
            AlgoliaError, OutOfTimeError, ConfigurationError, SecretUnavailableError: The first page
                can't be had.
        """
        known, start = set(scan.front), timestamp(self._now() - WINDOW)
        rows: dict[bytes, Row] = {}
        digests: dict[bytes, None] = {}
        active: dict[bytes, Row] = {}
        page = 1
        while True:
            try:
                listed = self._client.list_runs(
                    deadline,
                    page=page,
                    sort="updatedAt",
                    order="desc",
                    start=start,
                    attempts=attempts,
                )
            except RunbellError as error:
                if page == 1:
                    raise
                latest_last = tuple(reversed(rows.values()))
                return Finding(latest_last, tuple(digests), False, False, failure=error)
            found = [Row.of(document) for document in listed.items]
            # Rows move down while others come in above them, and may be seen once more: such a
            # page is no quiet one, what is behind it may be new.
            new = {row.digest: row for row in found if row.digest not in known}
            rows |= new
            digests |= dict.fromkeys(row.digest for row in found)
            active |= {row.digest: row for row in found if row.goes_on}
            is_whole = not new or not listed.has_more
            if is_whole or not listing.remaining():
                return Finding(
                    tuple(reversed(rows.values())),
                    tuple(digests),
                    is_whole,
                    not listed.has_more,
                    tuple(active.values()),
                )
            page += 1

    def page_of_all(self, scan: Scan, deadline: Deadline) -> tuple[list[Row], Scan]:
        """Read the next page of all runs, in the order of their creation, which nothing shifts.

        Returns:
            Its rows, and how far the full look is after them.

        Raises:
            AlgoliaError, OutOfTimeError, ConfigurationError, SecretUnavailableError: As `look`.
        """
        start = scan.full_from or timestamp(self._now() - WINDOW)
        page = scan.full_page + 1
        listed = self._client.list_runs(
            deadline, page=page, sort="createdAt", order="asc", start=start
        )
        after = replace(scan, full_from=start, full_page=page)
        if not listed.has_more:
            after = self.with_full_look(scan)
        return [Row.of(document) for document in listed.items], after

    def runs(
        self, deadline: Deadline, *, task_id: str | None = None, status: str | None = None
    ) -> Iterator[Run]:
        """Read the runs of one task, or those in some statuses, the one created last first.

        Raises:
            AlgoliaError, OutOfTimeError, ConfigurationError, SecretUnavailableError: As `look`.
        """
        start = timestamp(self._now() - WINDOW)
        for number in range(1, PAGES + 1):
            listed = self._client.list_runs(
                deadline,
                page=number,
                sort="createdAt",
                order="desc",
                start=start,
                task_id=task_id,
                status=status,
            )
            for document in listed.items:
                try:
                    yield parse_run(document)
                except MalformedRunError as error:
                    logger.error("a run can't be read", extra=told(error))
            if not listed.has_more:
                return

    def is_full_look_due(self, scan: Scan) -> bool:
        """Whether all pages are to be looked through: one look is under way, or long ago."""
        last = instant(scan.full_at)
        return scan.full_from is not None or last is None or self._now() - last >= FULL_LOOK

    def with_full_look(self, scan: Scan) -> Scan:
        """The same, after all pages were looked through just now."""
        return replace(scan, full_at=timestamp(self._now()), full_from=None, full_page=0)


def front_after(scan: Scan, finding: Finding, left: Iterable[bytes]) -> tuple[bytes, ...]:
    """What is to be remembered of the head of the list.

    Args:
        scan: What was remembered before.
        finding: What a look has found.
        left: Rows that nobody got round to; they are to be found again.
    """
    undone = frozenset(left)
    # Rows above one that is left over are forgotten with it: a page of them alone would look like
    # one behind which there is nothing new.
    deepest = max((at for at, row in enumerate(finding.digests) if row in undone), default=-1)
    above = frozenset(finding.digests[: deepest + 1])
    known = dict.fromkeys([*finding.digests, *scan.front])
    front = [digest for digest in known if digest not in above]
    return tuple(front[: LONGEST_FRONT if undone else FRONT])


class Settled:
    """The rows that this process has found in the table as they are, so as not to read them again.

    A row that shows the same as then can't be news. What the process forgets when it ends is only
    read once more.
    """

    def __init__(self) -> None:
        self._digests: dict[bytes, None] = {}
        self._watches_all: bool | None = None

    def but(self, rows: Iterable[Row], *, watches_all: bool) -> list[Row]:
        """The rows that are not settled; none is, once other runs are wanted than before."""
        if watches_all != self._watches_all:
            self._digests.clear()
            self._watches_all = watches_all
        return [row for row in rows if row.digest not in self._digests]

    def add(self, digests: Iterable[bytes]) -> None:
        """Remember rows; beyond a number the oldest are forgotten."""
        self._digests |= dict.fromkeys(digests)
        while len(self._digests) > MOST_SETTLED:
            del self._digests[next(iter(self._digests))]


def in_batches(rows: Sequence[Row], size: int) -> Iterable[Sequence[Row]]:
    """Cut rows into batches, in their order."""
    return (rows[at : at + size] for at in range(0, len(rows), size))
