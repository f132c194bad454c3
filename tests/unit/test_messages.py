"""What people read: a golden message for every kind, and Slack's limits for any run."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

from local.slack.limits import UPDATED_TEXT, check_content, check_metadata
from runbell.changes import State
from runbell.events import ErrorGroup, WhatWentWrong
from runbell.items import HistoryEntry, Missed, RunItem
from runbell.rules import Kind, Standstill, kind_of
from runbell.run import MAX_REASON, Progress, ReasonCode, Run
from runbell.slack import messages
from runbell.slack.messages import (
    DEBUGGER,
    LONGEST_TEXT,
    MENTIONED_AT_MOST,
    MUST_BE_SEEN,
    Message,
)
from runbell.tasks import Names

MakeRun = Callable[..., Run]

SUCCEEDED = [("created", None), ("started", None), ("finished", "success")]
FAILED = [("created", None), ("started", None), ("finished", "failure")]
NAMES = Names("Products feed", "products of the shop", "products", "replace")
ERRORS = WhatWentWrong(
    (ErrorGroup("Record is too big <10 KB>", 12), ErrorGroup("objectID is missing")), events=40
)
HOSTILE = (
    "<!channel> `rm -rf` *bold*\n\n```code```\r\n> quote <https://evil.example|click> @here &amp;"
)


def item_of(run: Run, states: list[tuple[str, str | None]]) -> RunItem:
    """An item whose run has gone through these states."""
    history = tuple(
        HistoryEntry(
            number=number,
            kind=kind_of(State(status, outcome)),
            status=status,
            outcome=outcome,
            at=f"2026-01-31T09:3{number % 10}:30+00:00",
            announced=True,
        )
        for number, (status, outcome) in enumerate(states, start=1)
    )
    return RunItem("default", run.run_id, version=len(states), snapshot=run, history=history)


def latest(item: RunItem, **fields: Any) -> RunItem:
    """The same item, with something more to say of its latest change."""
    return replace(item, history=(*item.history[:-1], replace(item.history[-1], **fields)))


def headline(message: Message) -> str:
    """The message's first section."""
    return str(message.blocks[0]["text"]["text"])


def missed_item(names: Names | None = NAMES) -> RunItem:
    """A run that was to be created and was not."""
    at = "2026-01-31T09:45:00.000Z"
    entry = HistoryEntry(1, Kind.MISSED, "missing", None, at, announced=True, mentions=("S1",))
    missed = Missed("76ab4c2a-ce17-496f-b7a6-506dc59ee498", "2026-01-31T09:30:00.000Z")
    return RunItem(
        "default",
        "missed-76ab4c2a-2026-01-31T09:30:00.000Z",
        version=1,
        history=(entry,),
        names=names,
        missed=missed,
    )


def shown(message: Message) -> str:
    """A message as a person compares it: its layout, the words for it, and what goes with it."""
    lines = ["as a reply" if message.is_reply else "as a message"]
    for block in message.blocks:
        texts = [text["text"] for text in block.get("elements", [block.get("text")])]
        lines += [f"--- {block['type']}", *texts]
    return "\n".join([*lines, "--- in plain words", message.text, f"--- {message.metadata}"])


@pytest.fixture
def ended(make_run: MakeRun) -> Callable[..., Run]:
    """Makes a run that has ended."""

    def make(outcome: str | None, **fields: Any) -> Run:
        return make_run(
            status="finished",
            outcome=outcome,
            startedAt="2026-01-31T09:31:00Z",
            finishedAt="2026-01-31T09:32:00Z",
            **fields,
        )

    return make


class TestTheRunsMessage:
    def test_created(self, make_run: MakeRun, snapshot: SnapshotAssertion) -> None:
        item = item_of(make_run(), [("created", None)])
        assert shown(messages.run_message(item)) == snapshot

    def test_started_with_progress(self, make_run: MakeRun, snapshot: SnapshotAssertion) -> None:
        run = make_run(
            status="started",
            type="push",
            startedAt="2026-01-31T09:31:00Z",
            progress={"expectedNbOfEvents": 12_000, "receivedNbOfEvents": 4_321},
        )
        item = item_of(run, [("created", None), ("started", None)])
        assert shown(messages.run_message(item)) == snapshot

    @pytest.mark.parametrize("kind", ["stalled", "resumed"])
    def test_a_standstill(self, kind: str, make_run: MakeRun, snapshot: SnapshotAssertion) -> None:
        run = make_run(
            status="started",
            startedAt="2026-01-31T09:31:00Z",
            progress={"expectedNbOfEvents": 1_000, "receivedNbOfEvents": 998},
        )
        item = item_of(run, [("started", None), ("started", None)])
        history = (item.history[0], replace(item.history[1], kind=kind))
        item = replace(item, history=history)
        assert shown(messages.run_message(item)) == snapshot

    def test_succeeded(self, ended: MakeRun, snapshot: SnapshotAssertion) -> None:
        item = item_of(ended("success", reasonCode="ok", reason="all is well"), SUCCEEDED)
        assert shown(messages.run_message(item)) == snapshot

    def test_failed(self, ended: MakeRun, snapshot: SnapshotAssertion) -> None:
        run = ended("failure", reasonCode="critical", reason="the source answered 500")
        assert shown(messages.run_message(item_of(run, FAILED))) == snapshot

    @pytest.mark.parametrize("code", [*map(str, ReasonCode), "a_new_code"])
    def test_failed_with_a_reason_code(
        self, code: str, ended: MakeRun, snapshot: SnapshotAssertion
    ) -> None:
        message = messages.run_message(item_of(ended("failure", reasonCode=code), FAILED))
        assert message.text == snapshot

    def test_skipped(self, make_run: MakeRun, snapshot: SnapshotAssertion) -> None:
        run = make_run(status="skipped", reasonCode="blocking", reason="the task is off")
        item = item_of(run, [("created", None), ("skipped", None)])
        assert shown(messages.run_message(item)) == snapshot

    def test_a_status_that_this_release_does_not_know(
        self, make_run: MakeRun, snapshot: SnapshotAssertion
    ) -> None:
        run = make_run(status="on_<hold>", type="migrate")
        item = item_of(run, [("created", None), ("on_<hold>", None)])
        assert shown(messages.run_message(item)) == snapshot

    def test_an_outcome_that_this_release_does_not_know(
        self, ended: MakeRun, snapshot: SnapshotAssertion
    ) -> None:
        item = item_of(ended("processing"), [("finished", "processing")])
        assert shown(messages.run_message(item)) == snapshot

    def test_finished_without_an_outcome(self, ended: MakeRun, snapshot: SnapshotAssertion) -> None:
        item = item_of(ended(None), [("created", None), ("finished", None)])
        assert shown(messages.run_message(item)) == snapshot

    def test_a_hostile_reason(self, ended: MakeRun, snapshot: SnapshotAssertion) -> None:
        run = ended(
            "failure",
            reason=HOSTILE,
            reasonCode="`<!here>`",
            taskID="`task` <!channel>",
            type="<!everyone>",
        )
        assert shown(messages.run_message(item_of(run, FAILED))) == snapshot

    def test_a_very_long_reason(self, ended: MakeRun, snapshot: SnapshotAssertion) -> None:
        reason = "cause: " + "<&> " * 5_000 + "at line 7"
        message = messages.run_message(item_of(ended("failure", reason=reason), FAILED))
        assert shown(message) == snapshot
        check_content(message.text, list(message.blocks))

    def test_a_story_shows_the_latest_changes(self, ended: MakeRun) -> None:
        states: list[tuple[str, str | None]] = [(f"state-{number}", None) for number in range(30)]
        message = messages.run_message(item_of(ended(None), states))
        story = message.blocks[-2]["elements"][0]["text"]
        assert re.findall(r"state-\d+", story) == [f"state-{n}" for n in range(20, 30)]

    def test_a_kind_of_a_later_release_is_shown_as_its_state(self, make_run: MakeRun) -> None:
        item = item_of(make_run(), [("created", None)])
        stored = replace(item, history=(replace(item.history[0], kind="postponed"),))
        assert "is now “created”" in messages.run_message(stored).text

    def test_a_blank_reason_is_none(self, ended: MakeRun) -> None:
        blank = messages.run_message(item_of(ended("failure", reason=" \n\t "), FAILED))
        assert blank == messages.run_message(item_of(ended("failure"), FAILED))

    @pytest.mark.parametrize(
        ("received", "expected", "line"),
        [
            (0, 100, "`░░░░░░░░░░` 0% · 0 of 100 records"),
            (50, 100, "`█████░░░░░` 50% · 50 of 100 records"),
            (100, 100, "`██████████` 100% · 100 of 100 records"),
            (250, 100, "`██████████` 100% · 250 of 100 records"),
            (1234567, 0, "1,234,567 records so far"),
            (5, -1, "5 records so far"),
            (-5, 10, "`░░░░░░░░░░` 0% · -5 of 10 records"),
        ],
    )
    def test_progress_is_a_bar_while_what_was_expected_makes_sense(
        self, received: int, expected: int, line: str, make_run: MakeRun
    ) -> None:
        run = replace(make_run(status="started"), progress=Progress(expected, received))
        message = messages.run_message(item_of(run, [("started", None)]))
        assert message.text.splitlines()[1:] == [line]

    def test_times_are_the_vendors_and_else_our_own(self, make_run: MakeRun) -> None:
        run = make_run(status="started", startedAt="soon", createdAt="2026-01-31T11:30:00+02:00")
        message = messages.run_message(item_of(run, [("created", None), ("started", None)]))
        story = message.blocks[-2]["elements"][0]["text"]
        assert re.findall(r"\|(.*?)>", story) == ["09:30:00 UTC", "09:32:30 UTC"]


class TestOtherMessages:
    def test_a_webhooks_message_of_one_change(
        self, ended: MakeRun, snapshot: SnapshotAssertion
    ) -> None:
        item = item_of(ended("failure", reason="because", reasonCode="critical"), FAILED)
        for entry in item.history:
            assert shown(messages.change_message(item, entry, is_reply=False)) == snapshot

    def test_a_reply_about_a_failure(self, ended: MakeRun, snapshot: SnapshotAssertion) -> None:
        item = item_of(ended("failure", reason="because", reasonCode="critical"), FAILED)
        reply = messages.change_message(item, item.history[-1], is_reply=True)
        assert shown(reply) == snapshot

    def test_a_test_message(self, snapshot: SnapshotAssertion) -> None:
        assert shown(messages.test_message("test-1")) == snapshot

    def test_a_misrouted_message_says_where_it_belongs(
        self, ended: MakeRun, snapshot: SnapshotAssertion
    ) -> None:
        item = item_of(ended("failure", reason="because"), FAILED)
        reply = messages.change_message(item, item.history[-1], is_reply=True)
        assert shown(messages.misrouted(reply, "#old <!here>", "is_archived`")) == snapshot

    def test_plain_words_have_no_blocks_and_fit_an_edit(self, ended: MakeRun) -> None:
        message = messages.run_message(item_of(ended("failure", reason="x" * 9_000), FAILED))
        words = messages.plain(replace(message, text=message.text * 10))
        assert words.blocks == ()
        assert len(words.text) <= UPDATED_TEXT
        assert messages.plain(message) == replace(message, blocks=())


class TestWhatATaskIsCalled:
    def test_a_run_is_named_by_where_records_come_from_and_go(
        self, ended: MakeRun, snapshot: SnapshotAssertion
    ) -> None:
        item = replace(item_of(ended("success"), SUCCEEDED), names=NAMES)
        assert shown(messages.run_message(item)) == snapshot

    @pytest.mark.parametrize(
        ("names", "second_line", "plain"),
        [
            (Names(), "Task `task-1`", " (task task-1)"),
            (Names(source=" \n\x00", action="\x00"), "Task `task-1`", " (task task-1)"),
            (Names(action="replace"), "Task `task-1` `replace`", ": replace (task task-1)"),
            (Names("Feed"), "*Feed*", ": Feed (task task-1)"),
            (Names("Feed", "Shop"), "*Feed → Shop*", ": Feed → Shop (task task-1)"),
            (Names(None, "Shop", None, "save"), "*Shop* `save`", ": Shop, save (task task-1)"),
            (Names("Feed", "Shop", "products"), "*Feed → products*", ": Feed → products (task"),
            (Names(index="a\nb & <c>"), "*a b &amp; &lt;c&gt;*", ": a b &amp; &lt;c&gt; (task"),
        ],
    )
    def test_what_is_not_known_is_left_out(
        self, names: Names, second_line: str, plain: str, make_run: MakeRun
    ) -> None:
        item = replace(item_of(make_run(taskID="task-1"), [("created", None)]), names=names)
        message = messages.run_message(item)
        assert headline(message).splitlines()[1] == second_line
        assert plain in message.text

    def test_the_task_can_be_found_by_its_id(self, make_run: MakeRun) -> None:
        item = replace(item_of(make_run(taskID="task-1"), [("created", None)]), names=NAMES)
        for message in (
            messages.run_message(item),
            messages.change_message(item, item.history[0], is_reply=False),
        ):
            assert "Task `task-1`" in message.blocks[-1]["elements"][0]["text"]
            assert "(task task-1)" in message.text


class TestTheStoryOfATask:
    def test_a_failure_in_a_row(self, ended: MakeRun, snapshot: SnapshotAssertion) -> None:
        run = ended("failure", reasonCode="critical", reason="the source answered 500")
        item = latest(
            replace(item_of(run, FAILED), names=NAMES),
            streak=3,
            since="2026-01-31T07:27:00.000Z",
            threshold=5,
            errors=ERRORS,
        )
        assert shown(messages.run_message(item)) == snapshot
        reply = messages.change_message(item, item.history[-1], is_reply=True)
        assert shown(reply) == snapshot

    def test_a_recovery(self, ended: MakeRun, snapshot: SnapshotAssertion) -> None:
        item = latest(
            item_of(ended("success", reasonCode="ok"), SUCCEEDED),
            kind=Kind.RECOVERED,
            streak=3,
            since="2026-01-31T07:27:00.000Z",
        )
        assert shown(messages.run_message(item)) == snapshot

    @pytest.mark.parametrize(
        "state", [("finished", "failure"), ("skipped", None)], ids=["failed", "skipped"]
    )
    def test_a_task_that_is_switched_off(
        self, state: tuple[str, str | None], ended: MakeRun, snapshot: SnapshotAssertion
    ) -> None:
        run = replace(ended(state[1], reasonCode="blocking"), status=state[0])
        item = latest(
            item_of(run, [("created", None), state]),
            kind=Kind.BLOCKED,
            streak=5,
            since="2026-01-30T07:27:00.000Z",
            threshold=5,
        )
        assert shown(messages.run_message(item)) == snapshot

    def test_a_run_that_takes_far_too_long(
        self, make_run: MakeRun, snapshot: SnapshotAssertion
    ) -> None:
        run = make_run(status="started", startedAt="2026-01-31T09:31:00Z")
        item = latest(
            item_of(run, [("started", None), ("started", None)]),
            kind=Kind.STALLED,
            standstill=Standstill.OVERTIME,
            typical=600,
        )
        assert shown(messages.run_message(item)) == snapshot

    def test_a_change_of_the_past_keeps_what_was_known_of_it(self, ended: MakeRun) -> None:
        item = item_of(ended("success", reason="late"), [*FAILED, ("finished", "success")])
        failed = replace(item.history[2], streak=2, errors=ERRORS)
        item = replace(item, history=(*item.history[:2], failed, item.history[3]))
        told = messages.change_message(item, failed, is_reply=True).text
        assert "2nd failure in a row" in told
        assert "objectID is missing" in told
        assert "late" not in told
        assert "failure" not in messages.run_message(item).text


class TestAMissingRun:
    @pytest.mark.parametrize("names", [NAMES, None], ids=["named", "unnamed"])
    def test_its_message(self, names: Names | None, snapshot: SnapshotAssertion) -> None:
        item = missed_item(names)
        assert shown(messages.run_message(item, is_news=True)) == snapshot

    def test_a_webhooks_message_and_a_reply(self, snapshot: SnapshotAssertion) -> None:
        item = missed_item()
        for is_reply in (False, True):
            message = messages.change_message(item, item.history[-1], is_reply=is_reply)
            assert shown(message) == snapshot

    def test_a_time_that_makes_no_sense_is_shown_as_it_is(self) -> None:
        item = replace(missed_item(), missed=Missed("task", "<soon>"))
        assert "It was due at &lt;soon&gt;" in messages.run_message(item).text


class TestMentions:
    WANTED = ("U01ABC", "W02DEF", "S03GHI", "here", "channel")
    WRITTEN = "<@U01ABC> <@W02DEF> <!subteam^S03GHI> <!here> <!channel>"

    def item(self, make_run: MakeRun, kind: str, mentions: tuple[str, ...]) -> RunItem:
        return latest(item_of(make_run(), [("created", None)]), kind=kind, mentions=mentions)

    @pytest.mark.parametrize("kind", list(Kind))
    def test_people_are_mentioned_where_they_must_look(self, kind: Kind, make_run: MakeRun) -> None:
        item = self.item(make_run, kind, self.WANTED)
        for message in (
            messages.run_message(item, is_news=True),
            messages.change_message(item, item.history[0], is_reply=True),
            messages.change_message(item, item.history[0], is_reply=False),
        ):
            for text in (message.text, headline(message)):
                mentions = text.splitlines()[0] == self.WRITTEN
                assert mentions is (kind in MUST_BE_SEEN)
                assert ("<@" in text) is mentions

    @pytest.mark.parametrize("kind", list(Kind))
    def test_an_edit_mentions_nobody(self, kind: Kind, make_run: MakeRun) -> None:
        item = self.item(make_run, kind, self.WANTED)
        assert messages.run_message(item) == messages.run_message(self.item(make_run, kind, ()))

    @pytest.mark.parametrize(
        "name", ["everyone", "@here", "u01abc", "X01", "U", "U01><!here", "U01\n", "", "Ü1"]
    )
    def test_what_is_no_slack_id_is_left_out(self, name: str, make_run: MakeRun) -> None:
        item = self.item(make_run, Kind.FAILED, (name,))
        nobody = messages.run_message(self.item(make_run, Kind.FAILED, ()), is_news=True)
        assert messages.run_message(item, is_news=True) == nobody

    def test_nobody_is_mentioned_twice_and_not_everybody_one_by_one(
        self, make_run: MakeRun
    ) -> None:
        names = tuple(f"U{number}" for number in range(100) for _ in "12")
        message = messages.run_message(self.item(make_run, Kind.FAILED, names), is_news=True)
        people = [f"<@U{number}>" for number in range(MENTIONED_AT_MOST)]
        assert message.text.splitlines()[0].split() == people
        check_content(message.text, list(message.blocks))


times = st.none() | st.datetimes(timezones=st.timezones()).map(str) | st.text()
ids = st.text(min_size=1, max_size=300)
texts = ids | st.sampled_from(["<!channel>", "<" * 500, "&" * 500, "`", "\n", "created", "failure"])
runs = st.builds(
    Run,
    run_id=texts,
    app_id=texts,
    task_id=texts,
    status=texts,
    type=texts,
    created_at=st.text(min_size=1),
    started_at=times,
    finished_at=times,
    outcome=st.none() | texts,
    reason=st.none() | texts | st.text("<>&`!@ \n", max_size=MAX_REASON),
    reason_code=st.none() | texts,
    failure_threshold=st.none() | st.integers(),
    progress=st.none() | st.builds(Progress, st.integers(), st.integers()),
)
lines = texts | st.text('<>&`!@U1 \n\x00"\\', max_size=3_000)
moments = st.none() | st.datetimes(timezones=st.timezones()).map(str) | st.text()
entries = st.builds(
    HistoryEntry,
    number=st.just(0),
    kind=st.sampled_from(list(Kind)) | texts,
    status=texts,
    outcome=st.none() | texts,
    at=st.sampled_from(["2026-01-31T09:30:30.000Z", "", "soon"]),
    announced=st.booleans(),
    mentions=st.lists(texts | st.sampled_from(["U1", "here", "S<!here>"]), max_size=30).map(tuple),
    streak=st.integers(-1, 10**9),
    since=moments,
    threshold=st.none() | st.integers(0, 10),
    standstill=st.none() | st.sampled_from(list(Standstill)) | texts,
    typical=st.none() | st.integers(0, 10**9),
    errors=st.none()
    | st.builds(
        WhatWentWrong,
        st.lists(st.builds(ErrorGroup, lines, st.integers(0, 10**9)), max_size=7).map(tuple),
        st.integers(0, 10**12),
    ),
)
names = st.none() | st.builds(Names, *[st.none() | lines] * 4)
items = st.builds(
    lambda run, missed, history, names: RunItem(
        "default",
        missed.task_id if run is None else run.run_id,
        snapshot=run,
        history=tuple(replace(entry, number=n) for n, entry in enumerate(history, start=1)),
        names=names,
        missed=missed if run is None else None,
    ),
    st.none() | runs,
    st.builds(Missed, texts, st.text() | moments.map(str)),
    st.lists(entries, min_size=1, max_size=12),
    names,
)
OURS = re.compile(
    r"<!date\^-?\d+\^(\{time_secs\}\|\d\d:\d\d:\d\d UTC"
    r"|\{date_short_pretty\} at \{time\}\|\d{1,4}-\d\d-\d\d \d\d:\d\d UTC)>"
    rf"|<{re.escape(DEBUGGER)}\|Connector Debugger>"
)
MENTIONS = re.compile(r"(<@[UW][A-Z0-9]+>|<!subteam\^S[A-Z0-9]+>|<!(here|channel)>)")


@settings(max_examples=150)
@given(items, texts)
def test_anything_keeps_slacks_limits_and_calls_nobody_unasked(item: RunItem, channel: str) -> None:
    whole = messages.run_message(item)
    every = [
        whole,
        messages.run_message(item, is_news=True),
        *(
            messages.change_message(item, e, is_reply=r)
            for e in item.history
            for r in (True, False)
        ),
        messages.misrouted(whole, channel, channel),
    ]
    assert len(whole.text) <= UPDATED_TEXT
    for message in every:
        check_content(message.text, list(message.blocks))
        check_metadata(message.metadata)
        assert len(messages.plain(message).text) <= UPDATED_TEXT
        for text in (message.text, *(text["text"] for text in _text_objects(message))):
            head, _, others = text.partition("\n")
            if message is not whole and MENTIONS.match(head):
                assert MENTIONS.sub("", head).strip() == ""
                text = others
            rest = OURS.sub("", text)
            assert "<" not in rest
            assert all(not line[1:].count(">") for line in rest.splitlines())


@settings(max_examples=100)
@given(items)
def test_nothing_written_out_is_turned_into_a_mention_or_a_link(item: RunItem) -> None:
    for text in _text_objects(messages.run_message(item, is_news=True)):
        assert text["verbatim"] is True


def test_an_edit_with_the_most_to_say_fits(ended: MakeRun) -> None:
    long = '<&"' * 3_000
    run = ended("failure", reason=long, reasonCode=long, type=long, taskID=long)
    item = latest(
        replace(item_of(run, FAILED), names=Names(long, long, long, long)),
        streak=10**6,
        since="2026-01-31T07:27:00.000Z",
        threshold=10,
        errors=WhatWentWrong((ErrorGroup(long, 10**6),) * 5, events=10**9),
    )
    message = messages.run_message(item)
    check_content(message.text, list(message.blocks))
    assert len(message.text) <= LONGEST_TEXT
    assert messages.plain(message).text == message.text


def _text_objects(message: Message) -> list[dict[str, Any]]:
    return [text for block in message.blocks for text in block.get("elements", [block.get("text")])]
