"""What the Ingestion API's answers say, whatever they are made of.

The operations and their answers: https://www.algolia.com/doc/rest-api/ingestion.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from runbell.deadline import Deadline
from runbell.errors import (
    AlgoliaAmbiguousError,
    AlgoliaCredentialError,
    AlgoliaError,
    AlgoliaRateLimitError,
    AlgoliaRefusedError,
    AlgoliaUnavailableError,
    RunNotFoundError,
)
from runbell.retry_after import parse_retry_after
from runbell.run import LONGEST_ID
from runbell.text import clip

if TYPE_CHECKING:
    from requests import Response

PER_PAGE = 100
"""Items on a page of a list, as many as the vendor allows."""

LARGEST_ANSWER = 8 * 1024 * 1024
"""Bytes of an answer that are read: a page of 100 runs takes about 50 KB."""


@dataclass(frozen=True)
class Answer:
    """An answer as it came in.

    Args:
        status: The HTTP status.
        body: All of it, unpacked.
        retry_after: The header of that name.
    """

    status: int
    body: bytes
    retry_after: str | None


@dataclass(frozen=True)
class ListPage:
    """A page of one of the vendor's lists.

    Args:
        items: As the API answers them, not yet read.
        has_more: Whether there is a page after this one.
        total: How many items there are on all pages, where the vendor says so.
    """

    items: tuple[object, ...]
    has_more: bool
    total: int | None


def read_answer(response: Response, seconds: float) -> Answer:
    """Read an answer to its end; the session's own time-out only bounds each piece of it.

    Raises:
        AlgoliaAmbiguousError: It is too large, or takes more than so many seconds.
    """
    deadline, body = Deadline(seconds), bytearray()
    while piece := response.raw.read1(65_536, decode_content=True):
        body += piece
        if len(body) > LARGEST_ANSWER:
            raise AlgoliaAmbiguousError(f"an answer of over {LARGEST_ANSWER} bytes")
        if not deadline.remaining():
            raise AlgoliaAmbiguousError(f"an answer that takes over {seconds:.1f} s")
    return Answer(response.status_code, bytes(body), response.headers.get("Retry-After"))


def make_sense(answer: Answer, api_key: str) -> Any:
    """Turn the answer to a question into a JSON document.

    Args:
        answer: What came in.
        api_key: What an error must not repeat.

    Raises:
        AlgoliaError: It holds none, and of which kind says what to do next.
    """
    document = _json(answer)
    if answer.status != 200:
        raise _trouble(answer, document, api_key)
    if document is None:
        raise AlgoliaUnavailableError("Algolia answered 200 with no JSON", status=200)
    return document


def new_run_in(answer: Answer, api_key: str) -> str:
    """Read the ID of the run that was started (runTask answers {runID, createdAt}).

    Args:
        answer: What came in.
        api_key: What an error must not repeat.

    Raises:
        AlgoliaAmbiguousError: It neither names a run nor says that there is none.
        AlgoliaError: It says that there is none, and why.
    """
    document = _json(answer)
    if answer.status // 100 == 2:
        run_id = document.get("runID") if isinstance(document, Mapping) else None
        if isinstance(run_id, str) and _can_be_an_id(run_id):
            return run_id
        message = f"Algolia answered {answer.status} with no ID of a run"
        raise AlgoliaAmbiguousError(message, status=answer.status)
    trouble = _trouble(answer, document, api_key)
    refused = answer.status // 100 == 4 and not isinstance(trouble, AlgoliaUnavailableError)
    raise trouble if refused else AlgoliaAmbiguousError(str(trouble), status=answer.status)


def page_in(name: str, document: object, number: int) -> ListPage:
    """Read the frame of a list; what it lists is the reader's to make sense of.

    Args:
        name: What is listed, by its field.
        document: What make_sense gave.
        number: Which page was asked for.

    Raises:
        AlgoliaUnavailableError: It is no such list.
    """
    items = document.get(name) if isinstance(document, Mapping) else None
    if not isinstance(document, Mapping) or not isinstance(items, list):
        raise AlgoliaUnavailableError(f"Algolia answered no list of {name}", status=200)
    pagination = document.get("pagination")
    said = pagination if isinstance(pagination, Mapping) else {}
    pages, total = said.get("nbPages"), said.get("nbItems")
    has_more = number < pages if isinstance(pages, int) else len(items) >= PER_PAGE
    return ListPage(tuple(items), has_more, total if isinstance(total, int) else None)


def object_in(document: object) -> Mapping[str, Any]:
    """Take a document for a JSON object; raises AlgoliaUnavailableError if it is none."""
    if not isinstance(document, Mapping):
        raise AlgoliaUnavailableError("Algolia answered 200 with no object", status=200)
    return document


def _json(answer: Answer) -> Any:
    """The document in an answer, None for none: what it holds is not what its type says."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):  # a proxy in between answers in HTML
        return None


def _trouble(answer: Answer, document: object, api_key: str) -> AlgoliaError:
    """The error that an answer's status stands for, with Algolia's own word."""
    status = answer.status
    word = document.get("message") if isinstance(document, dict) else None
    said = f": {word}" if isinstance(word, str) and word else " without a word"
    said = clip(said.replace(api_key, "•••"), 500)
    message = f"Algolia answered {status}{said}"
    if status in {401, 403}:
        return AlgoliaCredentialError(message, status=status)
    if status == 404:
        return RunNotFoundError(message, status=status)
    if status == 429:
        wait = parse_retry_after(answer.retry_after)
        return AlgoliaRateLimitError(message, status=status, retry_after=wait)
    if status >= 500 or status == 408:
        wait = parse_retry_after(answer.retry_after)
        return AlgoliaUnavailableError(message, status=status, retry_after=wait)
    return AlgoliaRefusedError(message, status=status)


def _can_be_an_id(text: str) -> bool:
    """Whether it is neither empty nor too long, nor holds halves of characters."""
    return 0 < len(text) <= LONGEST_ID and text.isprintable()
