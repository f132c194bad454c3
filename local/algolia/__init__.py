"""A stand-in for Algolia's Ingestion API, so that Runbell can be run and tested anywhere."""

from local.algolia.runs import RunLife, Step
from local.algolia.stand_in import AlgoliaStandIn, Shown

__all__ = ["AlgoliaStandIn", "RunLife", "Shown", "Step"]
