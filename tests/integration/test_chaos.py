"""The campaign of faults in its short form: `make chaos` has the long one."""

from __future__ import annotations

import pytest

from local.aws import LocalAws
from local.chaos.campaign import Campaign

pytestmark = pytest.mark.xdist_group("deployed")


def test_whatever_fails_each_change_is_told_and_none_twice_without_a_cause(aws: LocalAws) -> None:
    outcome = Campaign(3, 24, 1 / 3, print, away=4).play(aws)

    assert not outcome.complaints
    assert (outcome.verdict.changes, outcome.verdict.announced) == (24, 24)
    assert outcome.failed > outcome.calls / 5
