"""The stand-in as the vendor's own client sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from local.algolia.record import GivenAnswer
from local.algolia.stand_in import AlgoliaStandIn

if TYPE_CHECKING:
    from algoliasearch.ingestion.client import IngestionClientSync
    from pydantic import BaseModel


def official_client(algolia: AlgoliaStandIn) -> IngestionClientSync:
    """The vendor's client, which asks the stand-in and does not wait when it is refused."""
    from algoliasearch.http.hosts import Host, HostsCollection
    from algoliasearch.ingestion.client import IngestionClientSync
    from algoliasearch.ingestion.config import IngestionConfig

    address = urlsplit(algolia.url)
    config = IngestionConfig(algolia.app_id, algolia.api_key, "us")
    config.hosts = HostsCollection([Host(str(address.hostname), "http", address.port)])
    config.max_rate_limit_retries = 0
    return IngestionClientSync.create_with_config(config)


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
