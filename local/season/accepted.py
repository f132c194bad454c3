"""Whether the vendor's own client can read what Runbell was given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from local.algolia import GivenAnswer
from local.algolia.official import read_officially
from local.season.lives import UNKNOWN


@dataclass(frozen=True)
class Accepted:
    """How many answers were read, and what was said of the others."""

    count: int
    refused: tuple[str, ...]


def accepted(answers: Iterable[GivenAnswer]) -> Accepted:
    """Read answers with the vendor's client.

    Those with an outcome that no document names are left out: the vendor's client refuses them,
    and Runbell must not.
    """
    count, refused = 0, []
    for answer in answers:
        if f'"{UNKNOWN}"'.encode() in answer.body:
            continue
        try:
            read_officially(answer)
        except ValueError as error:
            refused.append(f"{answer.operation} {answer.target}: {error}")
        else:
            count += 1
    return Accepted(count, tuple(refused))
