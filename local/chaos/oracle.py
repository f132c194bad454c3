"""The verdict on a campaign, from the stand-ins' own records and the faults alone.

What people read is taken from the words of each message that Slack took: whose story it is, from
the run's ID at its foot, and the story, from the line of its states. Nothing is asked of the code
that wrote them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from local.algolia import Shown
from local.chaos.sabotage import Deed
from local.chaos.script import CREATED, FAILED, SKIPPED, STARTED, SUCCEEDED, State
from local.chaos.weather import Met
from local.slack import Call

WORDS: dict[State, frozenset[str]] = {
    CREATED: frozenset({"created"}),
    STARTED: frozenset({"started"}),
    SUCCEEDED: frozenset({"succeeded", "recovered"}),
    FAILED: frozenset({"failed"}),
    SKIPPED: frozenset({"skipped"}),
}
"""What people read for a state in a run's story."""

_FOOT = re.compile(r"Run `(run-\d+-\d+)`")
_STORY = re.compile(r"(created|started|succeeded|recovered|failed|skipped) <!date")
_GONE = "ok: false, update"
"""The fault that says that the message to be edited is gone, so that it is posted anew."""


@dataclass(frozen=True)
class Said:
    """What one message that Slack took says of a run."""

    run_id: str
    is_post: bool
    channel: str
    icon: str
    """The sign that its first line begins with: which state it is about."""
    story: tuple[str, ...]
    """The states that it lists; none in a reply about one of them."""


@dataclass(frozen=True)
class Verdict:
    """The four numbers, and what is behind them."""

    changes: int
    announced: int
    duplicates: int
    allowed: int
    out_of_order: int
    complaints: tuple[str, ...] = field(default=())

    @property
    def is_right(self) -> bool:
        """Whether every promise was kept."""
        return self.changes > 0 and not self.complaints

    def __str__(self) -> str:
        return (
            f"{self.changes:,} changes made, {self.announced:,} announced, "
            f"{self.duplicates} duplicates ({self.allowed} were allowed), "
            f"{self.out_of_order} out of order"
        )


def read(calls: Iterable[Call]) -> list[Said]:
    """Read what Slack took, in order."""
    said = []
    for call in calls:
        is_post = call.method == "chat.postMessage"
        if not is_post and call.method != "chat.update":
            continue
        if not (isinstance(call.answer, dict) and call.answer.get("ok")):
            continue
        text = str(call.arguments.get("text", ""))
        blocks = call.arguments.get("blocks")
        shown = json.dumps(blocks, ensure_ascii=False) if blocks else text
        if foot := _FOOT.search(shown):
            story = tuple(_STORY.findall(shown))
            channel = str(call.answer.get("channel", ""))
            said.append(Said(foot[1], is_post, channel, text.partition(" ")[0], story))
    return said


def judge(
    shown: Sequence[Shown], calls: Iterable[Call], met: Iterable[Met], deeds: Iterable[Deed]
) -> Verdict:
    """Hold what Algolia has shown against what Slack took.

    Args:
        shown: Each state of a run that Algolia has shown, in order.
        calls: What reached Slack.
        met: The requests to Slack that met a fault.
        deeds: What was done to the functions.
    """
    lives: dict[str, list[State]] = {}
    for state in shown:
        lives.setdefault(state.run_id, []).append((state.status, state.outcome))
    said: dict[str, list[Said]] = {}
    for each in read(calls):
        said.setdefault(each.run_id, []).append(each)
    excuses = excuses_for(met, deeds)
    announced = duplicates = allowed = out_of_order = 0
    complaints = [f"{run_id}: told, and never shown" for run_id in said.keys() - lives.keys()]
    for run_id, states in lives.items():
        told = said.get(run_id, [])
        lost = [state for state in states if not _is_told(state, told)]
        announced += len(states) - len(lost)
        complaints += [f"{run_id}: {' '.join(filter(None, each))} is lost" for each in lost]
        twice = repeats(told)
        duplicates += twice
        allowed += excuses[run_id]
        if twice > excuses[run_id]:
            complaints.append(f"{run_id}: {twice} said twice, {excuses[run_id]} had an excuse")
        wrong = misorders(states, told)
        out_of_order += wrong
        if wrong:
            complaints.append(f"{run_id}: {wrong} out of order: {[each.story for each in told]}")
    changes = len(shown)
    return Verdict(changes, announced, duplicates, allowed, out_of_order, tuple(complaints))


def excuses_for(met: Iterable[Met], deeds: Iterable[Deed]) -> Counter[str]:
    """Count how often each run's announcement may come twice.

    That is: a post was taken and its sender not told so; an edit was told that the message is
    gone; or notify was killed, or kept from its table, while it was about this run.
    """
    excuses: Counter[str] = Counter()
    for each in met:
        hidden = each.taken and "chat.postMessage" in each.line
        if hidden or each.name == _GONE:
            excuses.update(each.runs)
    for deed in deeds:
        if deed.function == "notify":
            excuses.update(deed.runs)
    return excuses


def repeats(told: Iterable[Said]) -> int:
    """How many posts say of a run what another one in the channel says."""
    posts = Counter((each.channel, each.icon) for each in told if each.is_post)
    return posts.total() - len(posts)


def misorders(states: Sequence[State], told: Iterable[Said]) -> int:
    """How many messages tell a run's story in another order, or less of it than one before."""
    wrong = longest = 0
    for each in told:
        if each.story:
            in_order = all(
                word in WORDS.get(state, ())
                for state, word in zip(states, each.story, strict=False)
            )
            wrong += not in_order or len(each.story) > len(states) or len(each.story) < longest
            longest = max(longest, len(each.story))
    return wrong


def _is_told(state: State, told: Iterable[Said]) -> bool:
    return any(word in WORDS.get(state, ()) for each in told for word in each.story)
