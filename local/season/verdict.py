"""Compares what Runbell has told with what had to be told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from local.season.delivery import Post
from local.season.oracle import Told, expected, total
from local.season.play import Played
from local.season.script import Script, Way


@dataclass(frozen=True)
class Verdict:
    """What is wrong with a season, if anything.

    Args:
        line: The season in one line.
        missing, extra, out_of_order: How many announcements are.
        undelivered: How many runs Slack was not told all of, or told in another order.
        failed: How many looks at a run have failed.
        differences: Each difference in words.
    """

    line: str
    missing: int
    extra: int
    out_of_order: int
    undelivered: int
    failed: int
    differences: Sequence[str]

    @property
    def is_right(self) -> bool:
        """Whether nothing is wrong."""
        return not self.differences


def verdict(script: Script, played: Played) -> Verdict:
    """Compare every run's announcements, and what Slack was told, with the oracle's."""
    wanted = expected(script)
    missing = extra = out_of_order = undelivered = 0
    differences: list[str] = []
    for name in sorted({*wanted, *played.told}):
        want, got = [*wanted.get(name, ())], [*played.told.get(name, ())]
        if want != got:
            missing += (Counter(want) - Counter(got)).total()
            extra += (Counter(got) - Counter(want)).total()
            out_of_order += Counter(want) == Counter(got)
            differences.append(
                f"seed {script.seed}, {name}: expected {_words(want)}; got {_words(got)}"
            )
        if name in played.undelivered or not _is_in_order(got, played.posts.get(name, ())):
            undelivered += 1
            differences.append(f"seed {script.seed}, {name}: Slack was told {_posts(played, name)}")
    failed = sum(report.failed + report.skipped for report in played.reports)
    if failed:
        differences.append(f"seed {script.seed}: {failed} looks have failed or were skipped")
    line = (
        f"season: seed {script.seed}: {script.tasks} tasks, {len(script.lives):,} runs, "
        f"{total(wanted):,} announcements expected, {total(played.told):,} made, "
        f"{missing} missing, {extra} extra, {out_of_order} out of order, "
        f"{undelivered} not delivered, {len(played.reports):,} ticks "
        f"({script.ticks_of(Way.TWICE)} doubled, {script.ticks_of(Way.AT_ONCE)} overlapped, "
        f"{script.dropped} dropped), {played.seconds:.0f} s"
    )
    return Verdict(line, missing, extra, out_of_order, undelivered, failed, differences)


def kinds(told: Mapping[str, Sequence[Told]]) -> Counter[str]:
    """How often each kind is told."""
    return Counter(telling.kind for tellings in told.values() for telling in tellings)


def _is_in_order(told: Sequence[Told], posts: Sequence[Post]) -> bool:
    """Whether Slack heard of each change once, and of the later one later.

    An edit tells all there is, and may come again; whatever is posted comes once.
    """
    numbers = [post.last_change for post in posts]
    posted = [post.delivery_id for post in posts if not post.is_edit]
    return (
        max(numbers, default=0) == len(told)
        and numbers == sorted(numbers)
        and len(posted) == len(set(posted))
        and (any(post.is_edit for post in posts) or len(posted) <= len(told))
    )


def _words(told: Sequence[Told]) -> str:
    return ", ".join(map(str, told)) or "nothing"


def _posts(played: Played, name: str) -> str:
    said = [
        f"{'an edit' if post.is_edit else 'a reply' if post.is_reply else 'a post'} "
        f"up to change {post.last_change}"
        for post in played.posts.get(name, ())
    ]
    return ", ".join(said) or "nothing"
