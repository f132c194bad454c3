"""What is told of many runs at once, and how it looks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from local.slack.limits import UPDATED_TEXT, check_content
from runbell.items import HistoryEntry, Missed, RunItem
from runbell.reports import (
    BEST,
    LISTED,
    MENTIONED,
    Ended,
    Seen,
    digest_of,
    summary_of,
)
from runbell.rules import Kind
from runbell.run import Run, timestamp
from runbell.slack.reports import report_message
from runbell.tasks import End, Names, Story, Streak, TaskInfo, TaskItem

MakeRun = Callable[..., Run]

CHANNEL = "#runs"
BEGIN, END = "2026-01-30T21:00:00.000Z", "2026-01-31T06:00:00.000Z"
AT = datetime(2026, 1, 31, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
NAMES = Names("Products feed", "products of the shop", "products", "replace")


def entry(kind: str, number: int = 1, **fields: Any) -> HistoryEntry:
    """A change that the quiet hours hold back, unless the fields say otherwise."""
    held: dict[str, Any] = {"announced": False, "held_until": END, "held_in": CHANNEL} | fields
    return HistoryEntry(number, kind, "finished", None, "2026-01-30T23:00:00.000Z", **held)


def item(run: Run, *history: HistoryEntry, task_id: str = "task-1") -> RunItem:
    run = replace(run, task_id=task_id)
    return RunItem("default", run.run_id, snapshot=run, history=history)


def missing(
    number: int, *, task_id: str = "task-1", names: Names | None = None, **fields: Any
) -> RunItem:
    """A run that was due at that minute of the night, and did not come."""
    missed = Missed(task_id, f"2026-01-31T01:{number % 60:02}:00.000Z")
    history = (entry("missed", **fields),)
    run_id = f"missed-{task_id}-{number}"
    return RunItem("default", run_id, history=history, names=names, missed=missed)


def task(
    task_id: str = "task-1", failures: int = 0, *, names: Names | None = NAMES, **fields: Any
) -> TaskItem:
    """A task with that many failures in a row after a success, or a success after failures."""
    since = "2026-01-30T22:15:00.000Z"
    streak = Streak(failures, since if failures else None)
    story = Story(before=streak, last_success="2026-01-31T05:30:00.000Z")
    info = TaskInfo(since, names=names, **fields) if names else None
    return TaskItem("default", task_id, story=story, info=info)


def with_typical(known: TaskItem, seconds: int) -> TaskItem:
    ends = tuple(End(f"r-{n}", f"2026-01-2{n}", "success", seconds) for n in range(1, 4))
    return replace(known, story=replace(known.story, ends=ends))


def ran(
    task_id: str = "task-1",
    kind: Kind = Kind.SUCCEEDED,
    hours_ago: float = 1,
    seconds: int | None = None,
) -> Ended:
    return Ended(task_id, kind, AT - hours_ago * HOUR, seconds)


def as_read(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report as the table answers it."""
    written = TypeSerializer().serialize(report)
    read: dict[str, Any] = TypeDeserializer().deserialize(written)
    return read


def message_of(report: Mapping[str, Any], connection: str = "default") -> Any:
    return report_message(RunItem(connection, "report-1", report=as_read(report)))


def read(report: Mapping[str, Any], connection: str = "default") -> list[str]:
    """A report's text as a person reads it, line by line, with moments in UTC."""
    text: str = message_of(report, connection).text
    return re.sub(r"<!date[^|]*[|]([^>]*)>", r"\1", text).split("\n")


def laid_out(blocks: Iterable[Mapping[str, Any]]) -> list[str]:
    """The lines of a message's blocks, without what makes letters bold."""
    lines: list[str] = []
    for block in blocks:
        for text in block.get("elements", [block.get("text")]):
            apart = " · " if block["type"] == "context" else "\n"
            lines += text["text"].replace("*", "").split(apart)
    return lines


@pytest.fixture
def run(make_run: MakeRun) -> Callable[[str], Run]:
    return lambda run_id: make_run(runID=run_id)


Summary = Callable[..., dict[str, Any] | None]


def summary(
    items: list[RunItem], *tasks: TaskItem, read_at_most: int | None = None
) -> dict[str, Any]:
    report = summary_of(
        items,
        {each.task_id: each for each in tasks},
        CHANNEL,
        BEGIN,
        END,
        read_at_most=read_at_most,
    )
    assert report is not None
    return report


class TestASummary:
    def test_counts_runs_by_the_last_that_was_held_back(self, run: Callable[[str], Run]) -> None:
        items = [
            item(run("a"), entry("created"), entry("started", 2), entry("succeeded", 3)),
            item(run("b"), entry("succeeded")),
            item(run("c"), entry("started")),
            item(run("d"), entry("as-yet-unknown")),
        ]
        assert summary(items)["counts"] == {"succeeded": 2, "started": 1, "other": 1}

    @pytest.mark.parametrize(
        "history",
        [
            (),
            (entry("succeeded", held_until=None, held_in=None),),
            (entry("succeeded", held_until="2026-01-30T06:00:00.000Z"),),
            (entry("succeeded", held_in="#others"),),
            (entry("started"), entry("succeeded", 2, announced=True, held_until=None)),
        ],
    )
    def test_is_none_of_what_was_not_held_or_is_known_by_now(
        self, run: Callable[[str], Run], history: tuple[HistoryEntry, ...]
    ) -> None:
        assert summary_of([item(run("a"), *history)], {}, CHANNEL, BEGIN, END) is None

    def test_names_failed_tasks_once_those_that_still_fail_first(
        self, run: Callable[[str], Run]
    ) -> None:
        items = [
            item(run("a"), entry("failed"), task_id="well"),
            item(run("b"), entry("failed"), task_id="ill"),
            item(run("c"), entry("blocked"), task_id="ill"),
            item(run("d"), entry("failed"), task_id="unknown"),
        ]
        failed = summary(items, task("well"), task("ill", 5))["failed"]
        assert [(each["task_id"], each["failures"], each["streak"]) for each in failed] == [
            ("ill", 2, 5),
            ("unknown", 1, 0),
            ("well", 1, 0),
        ]
        assert [each.get("recovered_at") for each in failed] == [
            None,
            None,
            "2026-01-31T05:30:00.000Z",
        ]

    def test_mentions_only_who_watches_what_still_fails(self, run: Callable[[str], Run]) -> None:
        items = [
            item(run("a"), entry("failed", mentions=("S01", "here")), task_id="well"),
            item(run("b"), entry("failed", mentions=("S02", "S3")), task_id="ill"),
            item(run("c"), entry("failed", mentions=("S3", "U1")), task_id="ill"),
            item(run("d"), entry("succeeded", mentions=("S4",)), task_id="ill"),
        ]
        assert summary(items, task("well"), task("ill", 2))["mentions"] == ["S02", "S3", "U1"]
        assert summary(items, task("well"), task("ill"))["mentions"] == []

    def test_tells_which_stalled_runs_have_moved_since(self, run: Callable[[str], Run]) -> None:
        went_on = entry("succeeded", 2, held_until=None, held_in=None)
        items = [
            item(run("a"), entry("stalled")),
            item(run("b"), entry("stalled"), went_on),
            item(run("c"), entry("stalled"), entry("resumed", 2)),
        ]
        stalled = summary(items, task())["stalled"]
        assert [(each["run_id"], each["moved"]) for each in stalled] == [("a", False), ("b", True)]

    def test_lists_ten_and_counts_the_others(self, run: Callable[[str], Run]) -> None:
        items = [
            item(run(f"{n:02}"), entry(kind, mentions=(f"U{n}",)), task_id=f"{kind}-{n}")
            for n in range(LISTED + 15)
            for kind in ("failed", "stalled")
        ]
        tasks = [task(f"failed-{n}", 1) for n in range(LISTED + 15)]
        report = summary(items, *tasks)
        assert (len(report["failed"]), report["failed_more"]) == (LISTED, 15)
        assert (len(report["stalled"]), report["stalled_more"]) == (LISTED, 15)
        assert len(report["mentions"]) == MENTIONED

    def test_names_tasks_whose_runs_did_not_come_those_with_the_most_first(
        self, run: Callable[[str], Run]
    ) -> None:
        items = [
            missing(7),
            *(missing(number, task_id="task-2", mentions=("S01",)) for number in (9, 5)),
            missing(3, task_id="task-3", names=NAMES),
            missing(1, task_id="task-4", held_in="#others"),
            item(run("a"), entry("succeeded"), task_id="task-2"),
        ]
        assert read(summary(items, task(), task("task-2", names=None))) == [
            "🌅 What the quiet hours held back",
            "From 2026-01-30 21:00 UTC to 2026-01-31 06:00 UTC",
            "✅ 1 succeeded · ⏰ 4 did not come",
            "Nothing failed.",
            "Missed",
            "• Task `task-2`: 2 runs did not come, the first due 2026-01-31 01:05 UTC",
            "• Products feed → products: 1 run did not come, due 2026-01-31 01:03 UTC",
            "• Products feed → products: 1 run did not come, due 2026-01-31 01:07 UTC",
        ]

    def test_lists_ten_tasks_that_missed_runs_and_counts_the_others(self) -> None:
        items = [missing(n, task_id=f"task-{n}") for n in range(LISTED + 15)]
        lines = read(summary(items))
        assert len([line for line in lines if line.startswith("•")]) == LISTED
        assert lines[-1] == "… and 15 more tasks"

    def test_names_tasks_that_recovered_from_failures_told_before(
        self, run: Callable[[str], Run]
    ) -> None:
        def recovered(run_id: str, at: str) -> Run:
            return replace(run(run_id), finished_at=f"2026-01-31T0{at}:00Z")

        items = [
            item(recovered("a", "4:20"), entry("recovered")),
            item(recovered("b", "1:30"), entry("recovered"), task_id="task-2"),
            item(recovered("c", "2:30"), entry("recovered"), task_id="task-2"),
            item(run("d"), entry("failed"), task_id="task-3"),
            item(recovered("e", "5:30"), entry("recovered"), task_id="task-3"),
        ]
        assert read(summary(items, task(), task("task-2", names=None), task("task-3"))) == [
            "🌅 What the quiet hours held back",
            "From 2026-01-30 21:00 UTC to 2026-01-31 06:00 UTC",
            "💚 4 recovered · ❌ 1 failed",
            "Failed",
            "• Products feed → products: failed, recovered 2026-01-31 05:30 UTC",
            "Recovered",
            "• Task `task-2`: recovered 2026-01-31 02:30 UTC",
            "• Products feed → products: recovered 2026-01-31 04:20 UTC",
        ]

    def test_of_runs_that_were_not_read_nothing_is_claimed(self, run: Callable[[str], Run]) -> None:
        items = [item(run("a"), entry("succeeded"))]
        assert read(summary(items, read_at_most=5_000))[2:] == [
            "✅ 1 succeeded",
            "Nothing failed among the runs that are counted.",
            "Only the latest 5,000 runs are counted",
        ]
        assert read(summary([], read_at_most=5_000))[2:] == [
            "Nothing was held back among the runs that are counted.",
            "Only the latest 5,000 runs are counted",
        ]

    def test_of_an_earlier_release_is_told_too(self, run: Callable[[str], Run]) -> None:
        report = summary([item(run("a"), entry("succeeded"))])
        new = ("missed", "missed_more", "recovered", "recovered_more")
        assert read({name: report[name] for name in report if name not in new}) == read(report)

    def test_is_calm_about_what_went_well(self, run: Callable[[str], Run]) -> None:
        items = [item(run(f"s-{n}"), entry("succeeded")) for n in range(1_234)]
        assert read(summary(items)) == [
            "🌅 What the quiet hours held back",
            "From 2026-01-30 21:00 UTC to 2026-01-31 06:00 UTC",
            "✅ 1,234 succeeded",
            "Nothing failed.",
        ]

    def test_says_how_bad_it_is(self, run: Callable[[str], Run]) -> None:
        items = [
            *(item(run(f"f-{n}"), entry("failed", mentions=("S01",))) for n in range(3)),
            item(run("b-1"), entry("blocked"), task_id="task-2"),
            item(run("r-1"), entry("failed"), task_id="task-3"),
            item(run("r-2"), entry("recovered"), task_id="task-3"),
            item(run("t-1"), entry("stalled"), task_id="task-4"),
        ]
        tasks = [task(failures=4), task("task-2", 1, names=None), task("task-3"), task("task-4")]
        report = summary(items, *tasks, read_at_most=5_000)
        assert read(report, "emea") == [
            "<!subteam^S01>",
            "🌅 What the quiet hours held back",
            "From 2026-01-30 21:00 UTC to 2026-01-31 06:00 UTC",
            "💚 1 recovered · ❌ 4 failed · ⛔ 1 blocked · ⏳ 1 stalled",
            "Failed",
            "• Products feed → products: failed 3 times, still failing, 4 in a row"
            " since 2026-01-30 22:15 UTC",
            "• Task `task-2`: failed, still failing since 2026-01-30 22:15 UTC",
            "• Products feed → products: failed, recovered 2026-01-31 05:30 UTC",
            "Stalled",
            "• Products feed → products: run `t-1` stands still since 2026-01-30 23:00 UTC",
            "Connection `emea`",
            "Only the latest 5,000 runs are counted",
        ]


def digest(seen: Seen, *tasks: TaskItem) -> dict[str, Any]:
    return digest_of(seen, {each.task_id: each for each in tasks}, AT)


class TestADigest:
    def test_counts_a_day_against_the_day_before(self) -> None:
        ended = [
            ran(hours_ago=0),  # after it
            ran(hours_ago=0.001),
            ran(hours_ago=24),
            ran(kind=Kind.FAILED),
            ran(hours_ago=24.001),
            ran(kind=Kind.SKIPPED, hours_ago=48),
            ran(hours_ago=48.001),
        ]
        counts = digest(Seen(ended))["counts"]
        assert {each["kind"]: (each["runs"], each["before"]) for each in counts} == {
            "succeeded": (2, 1),
            "failed": (1, 0),
            "skipped": (0, 1),
            "other": (0, 0),
        }

    @pytest.mark.parametrize(
        ("hours", "compares", "is_whole"),
        [
            (None, True, True),
            (48, True, True),
            (47, False, True),
            (24, False, True),
            (23, False, False),
        ],
    )
    def test_compares_nothing_that_was_not_read(
        self, hours: int | None, compares: bool, is_whole: bool
    ) -> None:
        ended = [ran(hours_ago=1), *(ran(hours_ago=30) for _ in range(9))]
        back_to = None if hours is None else AT - hours * HOUR
        report = digest(Seen(ended, runs=20_000, back_to=back_to))
        assert all(("before" in each) is compares for each in report["counts"])
        assert bool(report["changed"]) is compares
        assert ("read_at_most" not in report) is is_whole

    def test_lists_what_fails_the_longest_streak_first(self) -> None:
        tasks = [task(f"t-{n:02}", failures=n) for n in range(LISTED + 3)]
        report = digest(Seen(), *tasks)
        assert [each["streak"] for each in report["failing"]] == list(range(12, 2, -1))
        assert report["failing_more"] == 2

    @pytest.mark.parametrize(
        ("seconds", "typical", "is_slow"),
        [(400, 300, True), (374, 300, False), (300, 300, False), (31, 2, False), (32, 2, True)],
    )
    def test_a_run_is_slow_against_what_is_typical_of_its_task(
        self, seconds: int, typical: int, is_slow: bool
    ) -> None:
        ended = [ran(seconds=1), ran(seconds=seconds), ran(seconds=9_999, hours_ago=25)]
        slow = digest(Seen(ended), with_typical(task(), typical))["slow"]
        assert [(each["seconds"], each["typical"]) for each in slow] == (
            [(seconds, typical)] if is_slow else []
        )

    def test_the_slowest_are_those_that_took_the_most_beyond(self) -> None:
        ended = [ran(f"t-{n}", seconds=100 + 100 * n) for n in range(BEST + 2)]
        ended.append(ran("unknown", seconds=99_999))
        tasks = [with_typical(task(f"t-{n}"), 100) for n in range(BEST + 2)]
        slow = digest(Seen(ended), *tasks)["slow"]
        assert [each["task_id"] for each in slow] == ["t-6", "t-5", "t-4", "t-3", "t-2"]

    @pytest.mark.parametrize(
        ("now", "then", "is_changed"),
        [
            ([1] * 6, [1] * 3, True),
            ([1] * 3, [1] * 6, True),
            ([1] * 4, [1] * 2, False),
            ([1] * 5, [1] * 3, False),
            ([1] * 3, [], True),
            ([], [1] * 3, True),
            ([180], [120], True),
            ([120], [180], True),
            ([179], [120], False),
            ([90], [45], False),
            ([600, 120, 120], [120, 120, 120], False),
        ],
    )
    def test_a_task_has_changed_when_it_runs_more_often_or_longer(
        self, now: list[int], then: list[int], is_changed: bool
    ) -> None:
        ended = [
            *(ran(seconds=seconds) for seconds in now),
            *(ran(seconds=seconds, hours_ago=25) for seconds in then),
        ]
        changed = digest(Seen(ended), task())["changed"]
        assert [(each["runs"], each["runs_before"]) for each in changed] == (
            [(len(now), len(then))] if is_changed else []
        )

    def test_a_day_without_runs_is_told_calmly(self) -> None:
        assert read(digest(Seen())) == [
            "📊 The last 24 hours",
            "No run ended: a quiet day, none the day before",
            "No task is failing.",
            "Up to 2026-01-31 09:00 UTC",
        ]

    def test_a_day_is_told(self) -> None:
        ended = [
            *(ran(seconds=240) for _ in range(1_200)),
            *(ran(seconds=60, hours_ago=30) for _ in range(1_150)),
            *(ran("task-2", Kind.FAILED) for _ in range(4)),
            *(ran("task-2", hours_ago=30, seconds=10) for _ in range(5)),
            *(ran("task-3", Kind.SKIPPED, hours_ago=30) for _ in range(2)),
            ran("task-3", Kind.FAILED),
            ran("task-4", seconds=4_000),
        ]
        tasks = [
            with_typical(task(), 60),
            task("task-2", 4, names=None),
            task("task-3", 1, enabled=False),
            with_typical(task("task-4"), 600),
        ]
        assert read(digest(Seen(ended, running=3), *tasks), "emea") == [
            "📊 The last 24 hours",
            "1,206 runs ended, 1,157 the day before · 3 are under way",
            "✅ `████████████` 1,201 succeeded ▲ 46 more",
            "❌ `█░░░░░░░░░░░` 5 failed ▲ 5 more",
            "⏭️ `░░░░░░░░░░░░` 0 skipped ▼ 2 fewer",
            "Failing now",
            "• Task `task-2`: 4 in a row since 2026-01-30 22:15 UTC",
            "• Products feed → products: failed 2026-01-30 22:15 UTC; it is switched off",
            "Slower than usual",
            "• Products feed → products: took up to 1 h 6 min, usually 10 min",
            "• Products feed → products: took up to 4 min, usually 1 min",
            "Most changed",
            "• Products feed → products: 1,200 runs, 1,150 the day before (▲ 50 more);"
            " each about 4 min, 1 min the day before ▲",
            "Connection `emea`",
            "Up to 2026-01-31 09:00 UTC",
            "▲ ▼ against the 24 hours before",
        ]

    def test_says_when_it_is_not_of_all_runs(self) -> None:
        seen = Seen([ran()], running=1, runs=20_000, back_to=AT - HOUR)
        assert read(digest(seen, task())) == [
            "📊 The last 24 hours",
            "1 run ended · 1 is under way",
            "No task is failing.",
            "✅ `████████████` 1 succeeded",
            "❌ `░░░░░░░░░░░░` 0 failed",
            "Up to 2026-01-31 09:00 UTC",
            "Only the latest 20,000 runs are counted",
        ]


def test_an_end_is_read_from_a_run(make_run: MakeRun) -> None:
    finished = make_run(
        status="finished",
        outcome="success",
        startedAt="2026-01-31T08:00:00Z",
        finishedAt="2026-01-31T08:02:00Z",
    )
    at = AT - HOUR + timedelta(minutes=2)
    assert Ended.of(finished) == Ended(finished.task_id, Kind.SUCCEEDED, at, 120)
    assert Ended.of(replace(finished, status="started", outcome=None)) is None
    assert Ended.of(replace(finished, outcome="half")) == Ended(
        finished.task_id, Kind.OTHER, at, 120
    )
    nobody_knows_when = replace(finished, created_at="?", started_at=None, finished_at=None)
    assert Ended.of(nobody_knows_when) is None


def test_a_report_of_another_release_is_refused() -> None:
    with pytest.raises(ValueError, match="no report is of the kind 'weather'"):
        message_of({"kind": "weather"})


# ---- Whatever there is to tell ----------------------------------------------------------------

TEXT = st.text(max_size=400).map(lambda text: text.encode("utf-8", "replace").decode())
HOSTILE = st.sampled_from(["<!channel>" * 40, "&" * 300, "`*_~" * 90, "a\nb\r\n" * 60, "\x00" * 9])
NAME = TEXT | HOSTILE
MAYBE = st.none() | NAME
KINDS = st.sampled_from([*Kind, "as-yet-unknown"])
TASKS = st.builds(
    task,
    st.sampled_from([f"<{n}>&" * 30 for n in range(30)]),
    st.integers(0, 10**9),
    names=st.none() | st.builds(Names, MAYBE, MAYBE, MAYBE, MAYBE),
)


def hold(report: Mapping[str, Any]) -> str:
    """Hold a report against what the table and Slack take; answers with its text.

    The text has the lines of the blocks, or as many of them as there is room for.
    """
    assert len(json.dumps(report, ensure_ascii=False).encode()) < 100_000
    message = message_of(report, "emea")
    text, blocks = check_content(message.text, [*message.blocks])
    assert 0 < len(text) <= UPDATED_TEXT - 100
    assert len(json.dumps(blocks, ensure_ascii=False)) < 12_000
    lines = text.replace("*", "").split("\n")
    if lines[-1] == "…":
        assert set(lines[:-1]) <= set(laid_out(blocks))
    else:
        assert sorted(lines) == sorted(laid_out(blocks))
    return text


@given(data=st.data())
def test_any_summary_is_taken_by_the_table_and_by_slack(data: st.DataObject) -> None:
    base = Run("r", "a", "t", "finished", "reindex", "2026-01-30T22:00:00Z")
    tasks = data.draw(st.lists(TASKS, max_size=30))
    mentions = st.lists(st.sampled_from([f"U{n}" for n in range(30)] + ["<!here>"]), max_size=10)
    entries = st.builds(entry, KINDS, mentions=mentions.map(tuple))
    items = [
        item(replace(base, run_id=data.draw(NAME) or "r"), data.draw(entries), task_id=each.task_id)
        for each in tasks
    ]
    items += [
        missing(number, task_id=each.task_id, names=each.info.names if each.info else None)
        for number, each in enumerate(tasks)
        if data.draw(st.booleans())
    ]
    by_id = {each.task_id: each for each in tasks}
    read_at_most = data.draw(st.none() | st.just(5_000))
    report = summary_of(items, by_id, CHANNEL, BEGIN, END, read_at_most=read_at_most)
    assert (report is None) is (not items and read_at_most is None)
    if report is None:
        return
    assert sum(report["counts"].values()) == len(items)
    text = hold(report)
    assert "<!channel>" not in text
    assert "<!here>" not in text


@given(data=st.data())
def test_any_digest_is_taken_by_the_table_and_by_slack(data: st.DataObject) -> None:
    tasks = data.draw(st.lists(TASKS, max_size=30))
    ids = [each.task_id for each in tasks] or ["gone"]
    ends = st.builds(
        ran,
        st.sampled_from(ids),
        st.sampled_from([Kind.SUCCEEDED, Kind.FAILED, Kind.SKIPPED, Kind.OTHER]),
        st.floats(-1, 60),
        st.none() | st.integers(0, 10**7),
    )
    ended = data.draw(st.lists(ends, max_size=60))
    report = digest_of(
        Seen(ended, frozenset(ids), data.draw(st.integers(0, 10**6)), len(ended)),
        {each.task_id: each for each in tasks},
        AT,
    )
    counted = sum(each["runs"] for each in report["counts"])
    assert counted == sum(AT - 24 * HOUR <= each.at < AT for each in ended)
    assert counted + sum(each["before"] for each in report["counts"]) <= len(ended)
    assert "<!channel>" not in hold(report)


@pytest.mark.parametrize("letter", ["&", "x", "█", "\U0001f514"])
def test_the_longest_reports_are_taken_too(letter: str) -> None:
    """The text ends with whole lines."""
    long = letter * 300
    names = Names(long, long, long, long)
    tasks = [with_typical(task(f"{n}{long}", names=names), 100) for n in range(30)]
    failing = [task(f"{n}{long}", 10**9, names=names, enabled=False) for n in range(30)]
    ended = [
        *(ran(each.task_id, seconds=10**6 + n) for n, each in enumerate(tasks)),
        *(ran(each.task_id, seconds=10**3, hours_ago=30) for each in tasks),
    ]
    seen = Seen(ended, running=10**6, runs=20_000)
    text = hold(digest(seen, *tasks, *failing))
    assert text.endswith(("\n…", "before"))
    base = Run("r", "a", "t", "finished", "reindex", "2026-01-30T22:00:00Z")
    well = [task(f"well-{n}{long}", names=names) for n in range(30)]
    held = [
        item(
            replace(base, run_id=f"{n}{long}"),
            entry(kind, mentions=(f"U{n}",)),
            task_id=each.task_id,
        )
        for n, each in enumerate(failing)
        for kind in ("failed", "stalled")
    ]
    held += [missing(number, task_id=each.task_id) for number, each in enumerate(failing)]
    held += [
        item(replace(base, run_id=f"{n}{long}"), entry("recovered"), task_id=each.task_id)
        for n, each in enumerate(well)
    ]
    assert hold(summary(held, *well, *failing, read_at_most=5_000)).count("\n") > LISTED


@given(runs=st.lists(st.integers(0, 10**6), min_size=4, max_size=4))
def test_the_bars_of_a_chart_are_as_long_as_what_they_stand_for(runs: list[int]) -> None:
    kinds = ("succeeded", "failed", "skipped", "other")
    counts = [{"kind": kind, "runs": n} for kind, n in zip(kinds, runs, strict=True)]
    empty: dict[str, Any] = {"failing": [], "failing_more": 0, "slow": [], "changed": []}
    report = {"kind": "digest", "at": timestamp(AT), "counts": counts, "running": 0, **empty}
    bars = [
        line.count("█")
        for line in message_of(report).text.split("\n")
        if "░" in line or "█" in line
    ]
    shown = [n for n, kind in zip(runs, kinds, strict=True) if n or kind in {"succeeded", "failed"}]
    if not any(runs):
        assert bars == []
        return
    assert max(bars) == 12
    assert [bool(bar) for bar in bars] == [bool(n) for n in shown]
    assert [bar for _, bar in sorted(zip(shown, bars, strict=True))] == sorted(bars)
