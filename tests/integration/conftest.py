"""One deployed stack for all tests of this folder, with stand-ins for Algolia and Slack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from local.algolia import AlgoliaStandIn
from local.aws import LocalAws
from local.slack import SlackStandIn
from local.stack import Stack, build, deploy


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    """A local AWS."""
    with LocalAws() as aws:
        yield aws
