"""What the gallery shows: messages of every kind, in the situations that they are made for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from local.aws import ROOT

sys.path.insert(0, str(ROOT / "layers" / "runbell" / "python"))

from runbell.events import ErrorGroup, WhatWentWrong
from runbell.items import HistoryEntry, Missed, Note, NoteKind, RunItem
from runbell.reports import Ended, Seen, digest_of, summary_of
from runbell.rules import Kind, Standstill
from runbell.run import ReasonCode, parse_run, timestamp
from runbell.slack import messages
from runbell.slack.messages import Message
from runbell.slack.reports import report_message
from runbell.tasks import End, Names, Story, TaskInfo, TaskItem

DAY = datetime(2026, 11, 23, tzinfo=UTC)
NOW = DAY + timedelta(hours=12)
"""When the gallery is looked at, for what is called today."""

ONCALL, CATALOGUE = "U0123ABCD", "U0456EFGH"
PEOPLE = {ONCALL: "search-oncall", CATALOGUE: "catalogue"}
"""How Slack shows the users that are mentioned."""

PRODUCTS = Names("Products feed", "products of the shop", "products", "replace")
PRICES = Names("Price list", "prices of the shop", "prices", "partial")
STOCK = Names("Stock levels", "stock of the shop", "stock", "save")
ORDERS = Names("Order export", "orders of the shop", "orders", "append")

PRODUCTS_TASK = "76ab4c2a-ce17-496f-b7a6-506dc59ee498"
PRICES_TASK = "d4e8b03f-51c6-4a97-8e2b-f09a6c37d125"
RUN = "6c02aeb1-775e-418e-870b-1faccd4b2c0f"
EARLIER_RUN = "b1f0a6c9-3d7e-4f52-9a18-7c2de05b94e3"

REFUSED = "1,204 of 48,310 records were refused"
GROUPS = (
    ErrorGroup("the attribute `price` is no number in sku-30177", 1_198),
    ErrorGroup("the record sku-41822 is larger than 100 KB", 6),
)
ERRORS = WhatWentWrong(GROUPS, 1_204)
LONG_ERROR = "\n".join(
    [
        "the source answered 502 Bad Gateway while page 17 was read",
        *(
            f"  attempt {number} after {2 * number} s: upstream connect error or"
            " disconnect/reset before headers"
            for number in range(1, 112)
        ),
        "  given up at https://feed.example.com/products?page=17",
    ]
)
"""An error as verbose as sources are: about ten thousand characters."""

HOSTILE = (
    "<!channel> `rm -rf` *bold*\n\n```code```\r\n> quote <https://evil.example|click> @here &amp;"
)
MECHANIC = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WRENCH}"
"""An emoji of three characters."""


@dataclass(frozen=True)
class Shown:
    """A message where it is seen.

    Args:
        message: What is sent.
        in_thread: Whether it is in a thread: below the message before it that is not.
        also_in_channel: Whether the channel sees it too, and people are notified of it.
        edited: Whether an edit has put it in the place of an earlier one.
        at: When it was posted first; None a while after the run began.
    """

    message: Message
    in_thread: bool = False
    also_in_channel: bool = False
    edited: bool = False
    at: datetime | None = None


@dataclass(frozen=True)
class Specimen:
    """One kind of message, or several that belong together.

    Args:
        name: Of its files.
        title: In a few words.
        explains: One sentence: when it is sent.
        make: Makes the messages with the real code, the same ones each time.
        is_pictured: Whether docs/images/messages has a picture of it.
    """

    name: str
    title: str
    explains: str
    make: Callable[[], Sequence[Shown]]
    is_pictured: bool = False


# ---- What they are made of ------------------------------------------------------------------


def at(hour: int, minute: int = 0, second: int = 0, *, days: int = 0) -> str:
    """A moment of the day that the gallery tells of, as Algolia and the table write it."""
    return timestamp(moment(hour, minute, second) + timedelta(days=days))


def moment(hour: int, minute: int = 0, second: int = 0) -> datetime:
    """The same as a value."""
    return DAY + timedelta(hours=hour, minutes=minute, seconds=second)


def entry(kind: str, seen_at: str, **fields: Any) -> HistoryEntry:
    """A change that people are told of; its state follows from its kind."""
    state: dict[str, tuple[str, str | None]] = {
        Kind.CREATED: ("created", None),
        Kind.SUCCEEDED: ("finished", "success"),
        Kind.RECOVERED: ("finished", "success"),
        Kind.FAILED: ("finished", "failure"),
        Kind.BLOCKED: ("finished", "failure"),
        Kind.SKIPPED: ("skipped", None),
    }
    status, outcome = state.get(kind, ("started", None))
    known = {"number": 0, "status": status, "outcome": outcome, "announced": True}
    return HistoryEntry(**{**known, **fields, "kind": kind, "at": seen_at})


def item_of(run: dict[str, Any], *entries: HistoryEntry, **fields: Any) -> RunItem:
    """A run's item: what Algolia says of the run, and the changes that led there."""
    document = {
        "runID": RUN,
        "appID": "9VK3RQ2T7M",
        "taskID": PRODUCTS_TASK,
        "type": "reindex",
        "createdAt": at(9, 29, 54),
        "status": entries[-1].status,
        "outcome": entries[-1].outcome,
        **run,
    }
    parsed = parse_run(document)
    known = {
        "connection": "default",
        "run_id": parsed.run_id,
        "version": len(entries),
        "snapshot": parsed,
        "history": tuple(replace(each, number=n) for n, each in enumerate(entries, start=1)),
        "names": PRODUCTS,
    }
    return RunItem(**{**known, **fields})


CREATED = entry(Kind.CREATED, at(9, 30))
STARTED = entry(Kind.STARTED, at(9, 31))
RUNNING = {"startedAt": at(9, 30, 12)}
ENDED = {**RUNNING, "finishedAt": at(9, 40, 52)}
REFUSAL = {**ENDED, "reasonCode": "too_many_errors", "reason": REFUSED}


def failed_item(run: dict[str, Any] | None = None, /, **fields: Any) -> RunItem:
    """A run that has failed; the keywords say more of its failure."""
    known = {"mentions": (ONCALL,), "streak": 1, "threshold": 5, "errors": ERRORS}
    failed = entry(Kind.FAILED, at(9, 41), **{**known, **fields})
    return item_of(REFUSAL if run is None else run, CREATED, STARTED, failed)


def card(item: RunItem, **fields: Any) -> Shown:
    """A run's own message, as edits have made it."""
    return Shown(messages.run_message(item), **{"edited": True, **fields})


def reply(item: RunItem, **fields: Any) -> Shown:
    """The reply that tells a run's latest change."""
    message = messages.change_message(item, item.history[-1], is_reply=True)
    told_at = datetime.fromisoformat(item.history[-1].at) + timedelta(seconds=3)
    return Shown(message, **{"in_thread": True, "also_in_channel": True, "at": told_at, **fields})


def note(item: RunItem, kind: NoteKind, by: str, text: str = "") -> RunItem:
    """The same run, of which somebody has done something more."""
    return replace(item, notes=(*item.notes, Note(kind, by, at(9, 44 + len(item.notes)), text)))


def notes_of(item: RunItem) -> list[Shown]:
    """The replies that tell what people have done about a run."""
    return [
        Shown(
            messages.note_message(item, each, number),
            in_thread=True,
            at=datetime.fromisoformat(each.at) + timedelta(seconds=2),
        )
        for number, each in enumerate(item.notes)
    ]


# ---- The course of a run --------------------------------------------------------------------


def created() -> list[Shown]:
    return [card(item_of({}, CREATED), edited=False)]


def running_with_progress() -> list[Shown]:
    progress = {"expectedNbOfEvents": 125_000, "receivedNbOfEvents": 78_400}
    return [
        card(item_of({**RUNNING, "progress": progress}, CREATED, STARTED, updated_at=at(9, 36)))
    ]


def running_as_usual() -> list[Shown]:
    return [card(item_of(RUNNING, CREATED, replace(STARTED, typical=720), updated_at=at(9, 31)))]


def succeeded() -> list[Shown]:
    done = entry(Kind.SUCCEEDED, at(9, 41), typical=600)
    return [card(item_of({**ENDED, "reasonCode": "ok"}, CREATED, STARTED, done))]


def skipped() -> list[Shown]:
    run = {"reasonCode": "idle", "finishedAt": at(9, 30, 2)}
    return [card(item_of(run, CREATED, entry(Kind.SKIPPED, at(9, 31))))]


# ---- Failures -------------------------------------------------------------------------------


def failed() -> list[Shown]:
    item = failed_item(typical=600)
    return [card(item), reply(item)]


def failed_first_seen() -> list[Shown]:
    item = failed_item()
    item = replace(item, history=(replace(item.history[-1], number=1),))
    return [Shown(messages.run_message(item, is_news=True), at=moment(9, 41, 3))]


def whole_text() -> list[Shown]:
    item = failed_item(
        {**ENDED, "reasonCode": "critical", "reason": "page 17 of the source could not be read"},
        errors=WhatWentWrong((ErrorGroup(LONG_ERROR),), 1),
    )
    texts = messages.whole_texts(item, item.history[-1])
    return [
        card(item),
        reply(item),
        *(Shown(each, in_thread=True, at=moment(9, 41, 4)) for each in texts),
    ]


def _again(streak: int, **fields: Any) -> RunItem:
    """A failure of a task that people know to be failing: in the thread of the first one."""
    more = {"streak": streak, "since": at(7, 41, 9), "errors": None, **fields}
    return replace(failed_item(**more), thread_of=EARLIER_RUN)


def failed_again_hushed() -> list[Shown]:
    return [card(_again(3, hushed=True), in_thread=True)]


def failed_again_elsewhere() -> list[Shown]:
    return [reply(_again(3, hushed=True), also_in_channel=False)]


def failed_again_aloud() -> list[Shown]:
    return [reply(_again(2)), reply(_again(5))]


def blocked() -> list[Shown]:
    fields = {"streak": 5, "since": at(7, 41, 9), "threshold": 5, "mentions": (ONCALL,)}
    failure = entry(Kind.BLOCKED, at(9, 41), **fields)
    item = item_of({**ENDED, "reasonCode": "blocking"}, CREATED, STARTED, failure)
    return [reply(replace(item, thread_of=EARLIER_RUN))]


def blocked_and_skipped() -> list[Shown]:
    fields = {"streak": 5, "since": at(7, 41, 9), "threshold": 5, "mentions": (ONCALL,)}
    skip = entry(Kind.BLOCKED, at(9, 31), status="skipped", outcome=None, **fields)
    run = {"reasonCode": "blocking", "finishedAt": at(9, 30, 2)}
    return [reply(replace(item_of(run, CREATED, skip), thread_of=EARLIER_RUN))]


def recovered() -> list[Shown]:
    fields = {"streak": 3, "since": at(7, 41, 9), "typical": 600, "mentions": (ONCALL,)}
    item = item_of(
        {**ENDED, "reasonCode": "ok"}, CREATED, STARTED, entry(Kind.RECOVERED, at(9, 41), **fields)
    )
    return [reply(replace(item, thread_of=EARLIER_RUN))]


def reasons() -> list[Shown]:
    codes = [*map(str, ReasonCode), "a_code_of_tomorrow"]
    items = [failed_item({**ENDED, "reasonCode": code}, errors=None, mentions=()) for code in codes]
    return [Shown(messages.change_message(i, i.history[-1], is_reply=False)) for i in items]


# ---- What does not happen -------------------------------------------------------------------


def _stalled(**fields: Any) -> RunItem:
    progress = {"expectedNbOfEvents": 125_000, "receivedNbOfEvents": 122_310}
    stall = entry(Kind.STALLED, at(10, 31), mentions=(ONCALL,), **fields)
    return item_of({**RUNNING, "progress": progress}, CREATED, STARTED, stall)


def stalled_quiet() -> list[Shown]:
    item = _stalled(standstill=Standstill.QUIET)
    return [card(item), reply(item)]


def stalled_overtime() -> list[Shown]:
    return [reply(_stalled(standstill=Standstill.OVERTIME, typical=1_200))]


def resumed() -> list[Shown]:
    stalled, progress = _stalled(), {"expectedNbOfEvents": 125_000, "receivedNbOfEvents": 123_050}
    item = item_of(
        {**RUNNING, "progress": progress},
        *stalled.history,
        entry(Kind.RESUMED, at(10, 52)),
        updated_at=at(10, 52),
    )
    return [reply(item)]


def _missed(names: Names | None) -> RunItem:
    due = at(10)
    return RunItem(
        "default",
        f"missed-{PRODUCTS_TASK}-{due}",
        version=1,
        history=(replace(entry(Kind.MISSED, at(10, 6), mentions=(ONCALL,)), number=1),),
        names=names,
        missed=Missed(PRODUCTS_TASK, due),
    )


def missed() -> list[Shown]:
    return [Shown(messages.run_message(_missed(PRODUCTS), is_news=True), at=moment(10, 6, 2))]


def missed_unnamed() -> list[Shown]:
    return [Shown(messages.run_message(_missed(None), is_news=True), at=moment(10, 6, 2))]


def other_states() -> list[Shown]:
    held = entry(Kind.OTHER, at(9, 32), status="on_<hold>")
    ended = entry(Kind.OTHER, at(9, 41), status="finished", outcome="processing")
    return [
        card(item_of({"type": "migrate"}, CREATED, held)),
        card(item_of(ENDED, CREATED, STARTED, ended)),
    ]


# ---- What people do -------------------------------------------------------------------------


def notes() -> list[Shown]:
    item = failed_item()
    for kind, by, text in (
        (NoteKind.CLAIMED, ONCALL, ""),
        (NoteKind.MUTED, ONCALL, ""),
        (NoteKind.MUTED, ONCALL, at(17, 45)),
        (NoteKind.UNMUTED, CATALOGUE, ""),
        (NoteKind.REFUSED, CATALOGUE, "Algolia does not know the task any more."),
        (NoteKind.AGAIN, CATALOGUE, "0d9f6c1e-7a3b-4c58-91e4-2b6f8d05a7c3"),
    ):
        item = note(item, kind, by, text)
    return notes_of(item)


def failed_and_recovered() -> list[Shown]:
    again = "0d9f6c1e-7a3b-4c58-91e4-2b6f8d05a7c3"
    return [card(note(failed_item(), NoteKind.RECOVERED, "", again))]


def claimed_and_muted() -> list[Shown]:
    item = note(
        note(failed_item(), NoteKind.CLAIMED, ONCALL), NoteKind.MUTED, CATALOGUE, at(17, 45)
    )
    return [card(item), *notes_of(item)]


# ---- Other ways -----------------------------------------------------------------------------


def by_webhook() -> list[Shown]:
    well = item_of(ENDED, CREATED, STARTED, entry(Kind.SUCCEEDED, at(9, 41), typical=600))
    bad = failed_item(errors=WhatWentWrong((ErrorGroup(LONG_ERROR),), 1))
    return [
        Shown(messages.change_message(each, each.history[-1], is_reply=False), at=moment(9, 41, 3))
        for each in (well, bad)
    ]


def further_connection() -> list[Shown]:
    return [card(replace(item_of(RUNNING, CREATED, STARTED), connection="outlet"))]


def test_message() -> list[Shown]:
    return [Shown(messages.test_message("test-1"))]


def misrouted() -> list[Shown]:
    item = failed_item(errors=None)
    told = messages.run_message(item, is_news=True)
    return [Shown(messages.misrouted(told, "#old-channel", "is_archived"), at=moment(9, 41, 3))]


def hostile() -> list[Shown]:
    names = Names(f"الفهرس <!here> {MECHANIC}", None, "מוצרים\u200b\u200d`x`", "<@U0123ABCD>")
    ordered = {**ENDED, "reason": HOSTILE, "reasonCode": "`<!here>`", "taskID": "`t` <!channel>"}
    long = {**ENDED, "reason": "cause: " + "<&> " * 2_000 + "at line 7"}
    joined = {**ENDED, "reason": "seen by " + MECHANIC * 700 + " " + "e\u0301" * 300}
    return [
        card(replace(failed_item({**ordered, "type": "<!everyone>"}, errors=None), names=names)),
        card(failed_item(long, errors=WhatWentWrong((ErrorGroup("&" * 900, 3),), 3))),
        card(failed_item(joined, errors=WhatWentWrong((ErrorGroup(f"x{MECHANIC}" * 200),), 1))),
    ]


def in_plain_words() -> list[Shown]:
    return [Shown(messages.plain(each.message), edited=True) for each in (failed()[0],)]


# ---- Reports --------------------------------------------------------------------------------


def _task(task_id: str, names: Names, *ends: tuple[str, str, int]) -> TaskItem:
    """A task whose runs have ended so: when, with which outcome, after how many seconds."""
    story = Story()
    for number, (ended_at, outcome, seconds) in enumerate(ends):
        story = story.with_end(End(f"{task_id}-{number}", ended_at, outcome, seconds))
    return TaskItem("default", task_id, story=story, info=TaskInfo(at(0), names))


_TASKS = {
    PRODUCTS_TASK: _task(
        PRODUCTS_TASK,
        PRODUCTS,
        *((at(1, 30, days=-3 + n), "success", 600) for n in range(3)),
        *((at(hour, 41, 9), "failure", 40) for hour in (3, 4, 5)),
    ),
    PRICES_TASK: _task(
        PRICES_TASK, PRICES, *((at(2 + n, 10, days=-1), "success", 240) for n in range(4))
    ),
    "task-stock": _task("task-stock", STOCK, (at(2), "failure", 9), (at(4), "success", 90)),
}


def digest() -> list[Shown]:
    ended = [
        *(Ended(PRODUCTS_TASK, Kind.FAILED, moment(h, 41), 40) for h in (5, 4, 3)),
        *(Ended(PRICES_TASK, Kind.SUCCEEDED, moment(0, 10) + timedelta(minutes=20 * n), 480 - n)
          for n in range(21)),
        Ended("task-stock", Kind.SKIPPED, moment(4)),
        *(Ended(PRICES_TASK, Kind.SUCCEEDED, moment(-30) + timedelta(hours=n), 240)
          for n in range(9)),
        Ended(PRODUCTS_TASK, Kind.FAILED, moment(-20), 40),
    ]  # fmt: skip
    seen = Seen(ended, frozenset(_TASKS), running=2, runs=len(ended) + 2)
    item = RunItem("default", "digest", report=digest_of(seen, _TASKS, moment(8)))
    return [Shown(report_message(item), at=moment(8, 0, 20))]


def quiet_hours() -> list[Shown]:
    begin, end = at(21, days=-1), at(6)
    held = {"announced": False, "held_in": "#runs", "held_until": end}
    runs = [
        *(("failed", PRODUCTS_TASK, Kind.FAILED, f"{h:02}:41", {"mentions": (ONCALL,)})
          for h in (3, 4, 5)),
        ("stock", "task-stock", Kind.FAILED, "02:00", {}),
        ("prices", PRICES_TASK, Kind.STALLED, "05:12", {}),
        *(("prices", PRICES_TASK, Kind.SUCCEEDED, f"00:{m}", {}) for m in range(10, 30)),
        ("orders", "task-orders", Kind.RECOVERED, "01:15", {}),
    ]  # fmt: skip
    items = [
        item_of(
            {
                "runID": f"{name}-{when}",
                "taskID": task_id,
                "finishedAt": f"2026-11-23T{when}:09.000Z",
            },
            entry(kind, f"2026-11-23T{when}:30.000Z", **held, **more),
            names=ORDERS if task_id == "task-orders" else None,
        )
        for name, task_id, kind, when, more in runs
    ]
    items += [
        RunItem(
            "default",
            f"missed-{due}",
            history=(replace(entry(Kind.MISSED, at(5, 50), **held), number=1),),
            missed=Missed(PRICES_TASK, due),
        )
        for due in (at(5, 20), at(5, 40))
    ]
    report = summary_of(items, _TASKS, "#runs", begin, end)
    item = RunItem("default", "summary", report=report)
    return [Shown(report_message(item), at=moment(6, 0, 20))]


# ---- All of them ----------------------------------------------------------------------------


def channel() -> list[Shown]:
    item = replace(failed_item(), notes=())
    progress = {"expectedNbOfEvents": 125_000, "receivedNbOfEvents": 78_400}
    prices = {
        "runID": EARLIER_RUN,
        "taskID": PRICES_TASK,
        "type": "update",
        "createdAt": at(9, 42, 31),
        "startedAt": at(9, 42, 44),
        "progress": progress,
    }
    begun = entry(Kind.STARTED, at(9, 43))
    running = item_of(prices, begun, names=PRICES, updated_at=at(9, 48))
    claimed = note(item, NoteKind.CLAIMED, ONCALL)
    return [
        card(claimed, at=moment(9, 30, 2)),
        reply(item),
        *notes_of(claimed),
        card(running, at=moment(9, 43, 2)),
    ]


SPECIMENS = (
    Specimen(
        "channel",
        "A channel",
        "A run that failed, with its thread, and one that goes on.",
        channel,
    ),
    Specimen(
        "created",
        "A run is waiting",
        "The first message of a run, posted when Algolia has created it.",
        created,
        is_pictured=True,
    ),
    Specimen(
        "running",
        "A run goes on",
        "The run's message while records come in: how far it is, and when it will be through.",
        running_with_progress,
        is_pictured=True,
    ),
    Specimen(
        "running-as-usual",
        "A run goes on, and Algolia counts nothing",
        "Without progress, the end is expected by what is typical of the task.",
        running_as_usual,
        is_pictured=True,
    ),
    Specimen(
        "succeeded",
        "A run has succeeded",
        "The run's message at its end: an edit, of which nobody is notified.",
        succeeded,
        is_pictured=True,
    ),
    Specimen(
        "skipped",
        "A run was skipped",
        "Algolia has created a run and left it out; an edit.",
        skipped,
        is_pictured=True,
    ),
    Specimen(
        "failed",
        "A run has failed",
        "The run's message, edited, and the reply that the channel sees and that mentions people.",
        failed,
        is_pictured=True,
    ),
    Specimen(
        "failed-first-seen",
        "A run has failed that nobody was told of",
        "Where only failures are told: the run's message is the alarm itself.",
        failed_first_seen,
    ),
    Specimen(
        "whole-text",
        "The whole of a long error",
        "What the message shows by head and tail only is in the thread, complete.",
        whole_text,
    ),
    Specimen(
        "failed-again",
        "A task goes on failing",
        "The third failure in a row: told in the thread of the first one, for nobody's notice.",
        failed_again_hushed,
        is_pictured=True,
    ),
    Specimen(
        "failed-again-elsewhere",
        "The same of a run that the channel knows",
        "It was announced before its task began to fail, so its own message is not in the thread.",
        failed_again_elsewhere,
    ),
    Specimen(
        "failed-again-aloud",
        "A task goes on failing, and people are told again",
        "The second failure, and the one at which Algolia switches the task off.",
        failed_again_aloud,
        is_pictured=True,
    ),
    Specimen(
        "blocked",
        "Algolia switches a task off",
        "The run fails for the reason that too many have failed before it.",
        blocked,
        is_pictured=True,
    ),
    Specimen(
        "blocked-and-skipped",
        "Algolia skips the runs of a task that it has switched off",
        "The same, told of a run that was not even begun.",
        blocked_and_skipped,
    ),
    Specimen(
        "recovered",
        "A task is well again",
        "The first success after failures, told to all who heard of them.",
        recovered,
        is_pictured=True,
    ),
    Specimen(
        "reasons",
        "Algolia's reasons",
        "A failure with each code by which Algolia explains one, and with an unknown code.",
        reasons,
    ),
    Specimen(
        "stalled",
        "A run stands still",
        "Nothing about it was new for an hour.",
        stalled_quiet,
        is_pictured=True,
    ),
    Specimen(
        "stalled-overtime",
        "A run takes far too long",
        "Three times as long as what is typical of its task.",
        stalled_overtime,
        is_pictured=True,
    ),
    Specimen(
        "resumed",
        "A run moves again",
        "What becomes of a run that stood still is told in the channel too.",
        resumed,
        is_pictured=True,
    ),
    Specimen(
        "missed",
        "A run has not come",
        "The task's timetable says that a run was due, and there is none.",
        missed,
        is_pictured=True,
    ),
    Specimen(
        "missed-unnamed",
        "A run of a task has not come whose name is not known",
        "The same where Algolia did not say what the task is called.",
        missed_unnamed,
    ),
    Specimen(
        "other",
        "A state that Runbell does not know",
        "A status or an outcome that Algolia has added is told as it is.",
        other_states,
        is_pictured=True,
    ),
    Specimen(
        "notes",
        "What people have done",
        "Each press of a button is told in the thread, for nobody's notice.",
        notes,
        is_pictured=True,
    ),
    Specimen(
        "claimed-and-muted",
        "A failure that somebody looks after",
        "The run's message keeps what holds: who is on it, and until when the task is muted.",
        claimed_and_muted,
        is_pictured=True,
    ),
    Specimen(
        "failed-and-recovered",
        "The message of a failure that is over",
        "A later run of its task has succeeded: it says so, and has no buttons any more.",
        failed_and_recovered,
    ),
    Specimen(
        "webhook",
        "By an incoming webhook",
        "A success, and a failure whose error is shortened: a message for every change.",
        by_webhook,
        is_pictured=True,
    ),
    Specimen(
        "further-connection",
        "A run of a further Algolia application",
        "The last line says which connection it is of.",
        further_connection,
    ),
    Specimen(
        "test-message",
        "A test",
        "What `POST /test-message` posts.",
        test_message,
    ),
    Specimen(
        "misrouted",
        "What a channel has refused",
        "Posted to the fallback channel, with the reason why it is there.",
        misrouted,
    ),
    Specimen(
        "hostile",
        "Words that want to be more than words",
        "Mentions, links and markup from outside stay words; a cut leaves no half of a sign.",
        hostile,
    ),
    Specimen(
        "plain",
        "In plain words",
        "What is sent where Slack refuses the blocks, and what notifications show.",
        in_plain_words,
    ),
    Specimen(
        "digest",
        "The daily digest",
        "How the last 24 hours went, against the 24 hours before.",
        digest,
        is_pictured=True,
    ),
    Specimen(
        "quiet-hours",
        "What the quiet hours held back",
        "Posted at their end; it mentions people for what is still failing.",
        quiet_hours,
        is_pictured=True,
    ),
)
