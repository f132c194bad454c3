"""A stand-in for Algolia's Ingestion API, so that Runbell can be run and tested anywhere."""

from local.algolia.application import Application
from local.algolia.record import GivenAnswer, Shown, Started
from local.algolia.runs import RunLife, Step
from local.algolia.stand_in import AlgoliaStandIn

__all__ = ["AlgoliaStandIn", "Application", "GivenAnswer", "RunLife", "Shown", "Started", "Step"]
