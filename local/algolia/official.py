"""Answers of the stand-in, read by the vendor's own client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.algolia.record import GivenAnswer

if TYPE_CHECKING:
    from pydantic import BaseModel


def read_officially(answer: GivenAnswer) -> BaseModel:
    """What the vendor's client makes of an answer; raises ValueError if it can't read it."""
    # Only tests read answers this way, and the imports take their time.
    from algoliasearch.http.api_response import ApiResponse
    from algoliasearch.ingestion.models.destination import Destination
    from algoliasearch.ingestion.models.list_events_response import ListEventsResponse
    from algoliasearch.ingestion.models.run import Run
    from algoliasearch.ingestion.models.run_list_response import RunListResponse
    from algoliasearch.ingestion.models.run_response import RunResponse
    from algoliasearch.ingestion.models.source import Source
    from algoliasearch.ingestion.models.task import Task

    models: dict[str, type[BaseModel]] = {
        "listRuns": RunListResponse,
        "getRun": Run,
        "listEvents": ListEventsResponse,
        "getTask": Task,
        "getSource": Source,
        "getDestination": Destination,
        "runTask": RunResponse,
    }
    read: BaseModel | None = ApiResponse.deserialize(models[answer.operation], answer.body.decode())
    if read is None:
        raise ValueError(f"{answer.operation} was answered with null")
    return read
