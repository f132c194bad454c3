"""How the API's lists are asked for: filters, order, window and page."""

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from local.algolia.rows import Listed, Rows
from local.algolia.times import moment, rfc3339

RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
WHOLE_NUMBER = re.compile(r"[0-9]{1,9}")
MOST_PER_PAGE = 100
USUAL_PER_PAGE = 10

Query = Mapping[str, list[str]]


class RefusedError(Exception):
    """A request is refused with this status; the text is the answer's message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ListRules:
    """What may be asked of one list; refuses what its documentation does not name.

    Stricter than a public service would be: a misspelt parameter is refused with a 400
    instead of being ignored, so that a test notices it.
    """

    name: str
    filters: Mapping[str, frozenset[str] | None]
    """The item's fields to filter by, each with its allowed values, None for any."""
    sorts: tuple[str, ...]
    """What to sort by; the last is used unless another is asked for, and the window is of it."""
    span: timedelta
    """How far back the window reaches unless it is asked for."""

    def answer(self, rows: Rows, query: Query, now: float) -> dict[str, Any]:
        """The asked page of the list; raises RefusedError for a request it cannot read."""
        self._check_names(query)
        start, end = self._window(query, now)
        size = _number(query, "itemsPerPage", USUAL_PER_PAGE, most=MOST_PER_PAGE)
        page = _number(query, "page", 1)
        sort = _choice(query, "sort", self.sorts, self.sorts[-1])
        order = _choice(query, "order", ("asc", "desc"), "desc")
        wanted = {field: self._values(field, query) for field in self.filters if field in query}
        found = rows.between(start, end, sort=sort, descending=order == "desc")
        for field, values in wanted.items():
            found = _having(found, field, tuple(values))
        first = (page - 1) * size
        if wanted:
            every = list(found)
            count, shown = len(every), every[first : first + size]
        else:  # nothing beyond the page needs to be looked at, however long the list is
            count = rows.count_between(start, end)
            shown = list(islice(found, first, first + size))
        return {
            self.name: [row.item for row in shown],
            "pagination": {
                "nbPages": -(-count // size),
                "page": page,
                "nbItems": count,
                "itemsPerPage": size,
            },
            "window": {"startDate": rfc3339(start), "endDate": rfc3339(end)},
        }

    def _check_names(self, query: Query) -> None:
        single = {"itemsPerPage", "page", "sort", "order", "startDate", "endDate"}
        for name, values in query.items():
            if name not in single | set(self.filters):
                raise RefusedError(400, f"Unknown parameter {name}")
            if name in single and len(values) > 1:
                raise RefusedError(400, f"{name} is given more than once")

    def _values(self, field: str, query: Query) -> frozenset[str]:
        values = frozenset(part for value in query[field] for part in value.split(","))
        allowed = self.filters[field]
        if allowed is not None and not values <= allowed:
            raise RefusedError(400, f"{field} takes {', '.join(sorted(allowed))}")
        return values

    def _window(self, query: Query, now: float) -> tuple[datetime, datetime]:
        end = _time(query, "endDate") or moment(now)
        start = _time(query, "startDate") or end - self.span
        if start > end:
            raise RefusedError(400, "startDate is after endDate")
        return start, end


RUNS = ListRules(
    "runs",
    filters={
        "status": frozenset({"created", "started", "finished", "skipped"}),
        "type": frozenset({"reindex", "update", "discover", "validate", "push"}),
        "taskID": None,
    },
    sorts=("status", "updatedAt", "createdAt"),
    span=timedelta(days=7),
)
EVENTS = ListRules(
    "events",
    filters={
        "status": frozenset({"created", "started", "retried", "failed", "succeeded", "critical"}),
        "type": frozenset({"fetch", "record", "log", "transform"}),
    },
    sorts=("status", "type", "publishedAt"),
    span=timedelta(hours=3),
)


def _having(
    rows: Iterator[Listed], field: str, values: tuple[str, ...]
) -> Generator[Listed, None, None]:
    # A tuple asks for no hash, which a malformed run's value may not have.
    return (row for row in rows if row.item.get(field) in values)


def _number(query: Query, name: str, usual: int, *, most: int = 10**9) -> int:
    text = query.get(name, [str(usual)])[0]
    number = int(text) if WHOLE_NUMBER.fullmatch(text) else 0
    if not 1 <= number <= most:
        raise RefusedError(400, f"{name} is no whole number from 1 to {most}")
    return number


def _choice(query: Query, name: str, choices: tuple[str, ...], usual: str) -> str:
    choice = query.get(name, [usual])[0]
    if choice not in choices:
        raise RefusedError(400, f"{name} takes {', '.join(choices)}")
    return choice


def _time(query: Query, name: str) -> datetime | None:
    if name not in query:
        return None
    text = query[name][0]
    try:
        if RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    except ValueError:
        pass  # a time of day such as 25:00 has the form alone
    raise RefusedError(400, f"{name} is no RFC 3339 time")
