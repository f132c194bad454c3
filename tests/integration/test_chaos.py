"""The campaign of faults in its short form: `make chaos` has the long one."""

from __future__ import annotations

import pytest

from local.aws import LocalAws
from local.chaos.campaign import Campaign

pytestmark = pytest.mark.xdist_group("deployed")


def test_whatever_fails_each_change_is_told_and_none_twice_without_a_cause(aws: LocalAws) -> None:
    outcome = Campaign(3, 16, 1 / 4, print, away=2).play(aws)

    assert not outcome.complaints
    assert (outcome.verdict.changes, outcome.verdict.announced) == (16, 16)
    assert outcome.failed > outcome.calls / 8
