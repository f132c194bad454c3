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
from runbell.items import HistoryEntry, RunItem
from runbell.rules import kind_of
from runbell.run import MAX_REASON, Progress, ReasonCode, Run
from runbell.slack import messages
from runbell.slack.messages import DEBUGGER, Message

MakeRun = Callable[..., Run]

SUCCEEDED = [("created", None), ("started", None), ("finished", "success")]
FAILED = [("created", None), ("started", None), ("finished", "failure")]
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
        stored = replace(item, history=(replace(item.history[0], kind="recovered"),))
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
stories = st.lists(st.tuples(texts, st.none() | texts), min_size=1, max_size=15)
OURS = re.compile(
    r"<!date\^-?\d+\^\{time_secs\}\|\d\d:\d\d:\d\d UTC>"
    rf"|<{re.escape(DEBUGGER)}\|Connector Debugger>"
)


@settings(max_examples=60)
@given(runs, stories, texts)
def test_any_run_keeps_slacks_limits_and_calls_nobody(
    run: Run, states: list[tuple[str, str | None]], channel: str
) -> None:
    item = item_of(run, states)
    whole = messages.run_message(item)
    every = [
        whole,
        *(
            messages.change_message(item, e, is_reply=r)
            for e in item.history
            for r in (True, False)
        ),
        messages.misrouted(whole, channel, channel),
    ]
    for message in every:
        check_content(message.text, list(message.blocks))
        check_metadata(message.metadata)
        assert len(messages.plain(message).text) <= UPDATED_TEXT
        for text in (message.text, *(text["text"] for text in _text_objects(message))):
            rest = OURS.sub("", text)
            assert "<" not in rest
            assert all(not line[1:].count(">") for line in rest.splitlines())


@settings(max_examples=60)
@given(runs, stories)
def test_nothing_written_out_is_turned_into_a_mention_or_a_link(
    run: Run, states: list[tuple[str, str | None]]
) -> None:
    for text in _text_objects(messages.run_message(item_of(run, states))):
        assert text["verbatim"] is True


def _text_objects(message: Message) -> list[dict[str, Any]]:
    return [text for block in message.blocks for text in block.get("elements", [block.get("text")])]
