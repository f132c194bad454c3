"""What people read: what a message says, whom it calls, and Slack's limits for any run.

How each kind of message looks is in docs/gallery; see test_golden.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from local.slack.limits import UPDATED_TEXT, check_content, check_metadata
from runbell.changes import State
from runbell.events import ErrorGroup, WhatWentWrong
from runbell.items import HistoryEntry, Missed, Note, NoteKind, RunItem
from runbell.rules import MUST_BE_SEEN, Kind, Standstill, kind_of
from runbell.run import MAX_REASON, Progress, Run
from runbell.slack import messages
from runbell.slack.details import shortened
from runbell.slack.messages import (
    DEBUGGER,
    LONGEST_POST,
    LONGEST_TEXT,
    MENTIONED_AT_MOST,
    PARTS_AT_ONCE,
    Message,
)
from runbell.slack.mrkdwn import mention, printable
from runbell.tasks import Names

MakeRun = Callable[..., Run]

ALL_BLOCKS = 12_000
"""Characters that all blocks of a message may have as JSON; Slack refuses a few more."""

SUCCEEDED = [("created", None), ("started", None), ("finished", "success")]
FAILED = [("created", None), ("started", None), ("finished", "failure")]
NAMES = Names("Products feed", "products of the shop", "products", "replace")
ERRORS = WhatWentWrong(
    (ErrorGroup("Record is too big <10 KB>", 12), ErrorGroup("objectID is missing")), events=40
)
LONG = "\n".join(f"line {number}: something is wrong" for number in range(400))


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


def contexts(message: Message) -> list[str]:
    """What the message says in small grey letters, a line each."""
    return [e["text"] for b in message.blocks if b["type"] == "context" for e in b["elements"]]


def controls(message: Message) -> list[str]:
    """What can be pressed below the message."""
    return [e["action_id"] for b in message.blocks if b["type"] == "actions" for e in b["elements"]]


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
    def test_a_story_shows_the_latest_changes(self, ended: MakeRun) -> None:
        states: list[tuple[str, str | None]] = [(f"state-{number}", None) for number in range(30)]
        story = contexts(messages.run_message(item_of(ended(None), states)))[0]
        assert re.findall(r"state-\d+", story) == [f"state-{n}" for n in range(20, 30)]

    def test_a_kind_of_a_later_release_is_shown_as_its_state(self, make_run: MakeRun) -> None:
        item = item_of(make_run(), [("created", None)])
        stored = replace(item, history=(replace(item.history[0], kind="postponed"),))
        assert "is now “created”" in messages.run_message(stored).text

    def test_a_blank_reason_is_none(self, ended: MakeRun) -> None:
        blank = messages.run_message(item_of(ended("failure", reason=" \n\t "), FAILED))
        assert blank == messages.run_message(item_of(ended("failure"), FAILED))

    def test_a_run_without_a_type_is_a_run(self, make_run: MakeRun) -> None:
        item = item_of(make_run(type=" \x00"), [("created", None)])
        assert headline(messages.run_message(item)).startswith("🔵 *A run is waiting to start*")

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
        assert message.text.splitlines()[1] == line
        assert message.blocks[1]["text"]["text"] == line

    def test_times_are_the_vendors_and_else_our_own(self, make_run: MakeRun) -> None:
        run = make_run(status="started", startedAt="soon", createdAt="2026-01-31T11:30:00+02:00")
        message = messages.run_message(item_of(run, [("created", None), ("started", None)]))
        assert re.findall(r"\|(.*?)>", contexts(message)[0]) == ["09:30:00 UTC", "09:32:30 UTC"]

    @pytest.mark.parametrize(
        ("kind", "offered"),
        [
            (Kind.FAILED, ["run_again", "claim", "mute"]),
            (Kind.BLOCKED, ["run_again", "claim", "mute"]),
            (Kind.STALLED, ["claim", "mute"]),
            *((kind, []) for kind in sorted(set(Kind) - {"failed", "blocked", "stalled"})),
        ],
    )
    def test_what_there_is_to_do_is_offered_above_the_last_line(
        self, kind: Kind, offered: list[str], ended: MakeRun
    ) -> None:
        message = messages.run_message(latest(item_of(ended("failure"), FAILED), kind=kind))
        assert controls(message) == offered
        assert "Connector Debugger" in message.blocks[-1]["elements"][0]["text"]

    def test_what_others_say_stands_where_nothing_is_markup_nor_a_mention(
        self, ended: MakeRun
    ) -> None:
        said, shown = "_id_ & `x` <!here> *all*", "_id_ & `x` <\N{WORD JOINER}!here> *all*"
        wrong = WhatWentWrong((ErrorGroup(said, 2),), events=2)
        item = latest(item_of(ended("failure", reason=said), FAILED), errors=wrong)
        for message in (
            messages.run_message(item),
            messages.change_message(item, item.history[-1], is_reply=True),
            messages.change_message(item, item.history[-1], is_reply=False),
        ):
            told = [
                (block["elements"][0]["type"], block["elements"][0]["elements"])
                for block in message.blocks
                if block["type"] == "rich_text"
            ]
            assert told == [
                ("rich_text_quote", [{"type": "text", "text": shown}]),
                ("rich_text_section", [{"type": "text", "text": f"• {shown} ×2"}]),  # noqa: RUF001
            ]
            escaped = "_id_ &amp; `x` &lt;!here&gt; *all*"
            assert f"> {escaped}" in message.text.splitlines()
            assert f"• {escaped} ×2" in message.text.splitlines()  # noqa: RUF001


class TestWhatHoldsOfIt:
    def item(self, make_run: MakeRun, *notes: tuple[NoteKind, str | None, str]) -> RunItem:
        at = "2026-01-31T09:40:00.000Z"
        told = tuple(Note(kind, by, at, text) for kind, by, text in notes)
        return replace(item_of(make_run(), [("created", None)]), notes=told)

    @pytest.mark.parametrize(
        ("notes", "line"),
        [
            ([], None),
            ([(NoteKind.CLAIMED, "U01", "")], "👀 <@U01> is on it"),
            (
                [(NoteKind.CLAIMED, "U01", ""), (NoteKind.CLAIMED, "U02", "")],
                "👀 <@U01> is on it · 👀 <@U02> is on it",
            ),
            ([(NoteKind.CLAIMED, "U01", "")] * 2, "👀 <@U01> is on it"),
            ([(NoteKind.MUTED, "U01", "")], "🔕 <@U01> muted this task until it recovers"),
            ([(NoteKind.MUTED, "U01", ""), (NoteKind.UNMUTED, "U02", "")], None),
            (
                [(NoteKind.UNMUTED, "U01", ""), (NoteKind.MUTED, "U02", "")],
                "🔕 <@U02> muted this task until it recovers",
            ),
            ([(NoteKind.REFUSED, "U01", "no")], None),
            ([(NoteKind.AGAIN, "U01", "run-2")], None),
            ([(NoteKind.CLAIMED, None, "")], "👀 Somebody is on it"),
            ([(NoteKind.CLAIMED, "<!here>", "")], "👀 Somebody is on it"),
        ],
    )
    def test_the_runs_message_keeps_what_people_did_while_it_holds(
        self,
        notes: list[tuple[NoteKind, str | None, str]],
        line: str | None,
        make_run: MakeRun,
    ) -> None:
        message = messages.run_message(self.item(make_run, *notes))
        assert contexts(message)[1:-1] == ([line] if line else [])
        assert line is None or line in message.text.splitlines()

    def test_a_failure_that_is_over_says_so_and_offers_nothing_to_do(
        self, make_run: MakeRun
    ) -> None:
        item = self.item(make_run, (NoteKind.CLAIMED, "U01", ""), (NoteKind.RECOVERED, "", "run-9"))
        message = messages.run_message(item)
        assert contexts(message)[1:-1] == ["💚 The task has recovered: run `run-9`"]
        assert not any(block["type"] == "actions" for block in message.blocks)

    @pytest.mark.parametrize("kind", sorted(set(NoteKind) - {NoteKind.RECOVERED}))
    def test_each_thing_that_people_do_is_a_reply_that_says_who(
        self, kind: NoteKind, make_run: MakeRun
    ) -> None:
        item = self.item(make_run, (kind, "U01", "2026-01-31T17:45:00Z"))
        message = messages.note_message(item, item.notes[0], 0)
        assert message.is_reply
        assert "<@U01>" in message.text
        assert len(message.text.split()) > 3
        assert message.blocks[0]["text"]["text"] == message.text
        assert controls(message) == (["unmute"] if kind == NoteKind.MUTED else [])

    def test_the_same_thing_done_twice_is_told_twice(self, make_run: MakeRun) -> None:
        item = self.item(make_run, *[(NoteKind.CLAIMED, "U01", "")] * 2)
        ids = {messages.note_message(item, n, i).delivery_id for i, n in enumerate(item.notes)}
        assert len(ids) == 2


class TestWholeTexts:
    def failed(self, ended: MakeRun, *errors: str, reason: str | None = None) -> RunItem:
        wrong = WhatWentWrong(tuple(ErrorGroup(text) for text in errors), len(errors))
        return latest(item_of(ended("failure", reason=reason), FAILED), errors=wrong)

    def test_what_is_shown_whole_needs_no_more_words(self, ended: MakeRun) -> None:
        item = self.failed(ended, "short", reason="two\nlines")
        assert messages.whole_texts(item, item.history[-1]) == []

    def test_each_shortened_text_is_named_and_whole(self, ended: MakeRun) -> None:
        item = self.failed(ended, LONG, "short", LONG * 2, reason=LONG)
        told = messages.whole_texts(item, item.history[-1])
        titles = [headline(message) for message in told]
        assert [title for title in titles if "continued" not in title] == [
            "*Error 1 of 3, in full*",
            "*Error 3 of 3, in full*",
            "*The reason, in full*",
        ]
        assert all(message.is_reply and not controls(message) for message in told)
        assert len({message.delivery_id for message in told}) == len(told)
        reason = [m for m in told if m.part.startswith("reason from ")]
        assert "".join(_whole(m) for m in reason) == LONG

    def test_a_part_ends_with_a_line_where_one_does(self, ended: MakeRun) -> None:
        item = self.failed(ended, LONG)
        parts = [
            block["elements"][0]["elements"][0]["text"]
            for message in messages.whole_texts(item, item.history[-1])
            for block in message.blocks[1:]
        ]
        assert len(parts) > PARTS_AT_ONCE
        assert all(part.endswith("\n") for part in parts[:-1])

    def test_a_part_ends_with_a_whole_sign(self, ended: MakeRun) -> None:
        mechanic = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WRENCH}"
        item = self.failed(ended, "x" + mechanic * 3_000)
        for message in messages.whole_texts(item, item.history[-1]):
            for block in message.blocks[1:]:
                text = block["elements"][0]["elements"][0]["text"]
                assert text.removeprefix("x").replace(mechanic, "") == ""

    @pytest.mark.parametrize("sign", ['"', "\\", "\n", "\t", "\N{BELL}", "é"])
    def test_a_part_fits_whatever_it_is_written_with(self, sign: str, ended: MakeRun) -> None:
        item = self.failed(ended, "x" + sign * 12_000 + "x")
        for message in messages.whole_texts(item, item.history[-1]):
            assert len(json.dumps(message.blocks, ensure_ascii=False)) <= ALL_BLOCKS
            check_content(message.text, list(message.blocks))

    def test_a_webhooks_message_says_where_the_whole_text_is(self, ended: MakeRun) -> None:
        for item, is_said in ((self.failed(ended, LONG), True), (self.failed(ended, "no"), False)):
            message = messages.change_message(item, item.history[-1], is_reply=False)
            line = f"Runbell's API has the whole text: `GET /runs/{item.run_id}`"
            assert (line in contexts(message)) is is_said
            assert (line in message.text) is is_said

    def test_without_blocks_nothing_is_lost_either(self, ended: MakeRun) -> None:
        item = self.failed(ended, LONG)
        for message in messages.whole_texts(item, item.history[-1]):
            assert messages.plain(message).text == message.text


class TestOtherMessages:
    def test_a_reply_is_told_from_the_runs_message_and_from_other_replies(
        self, ended: MakeRun
    ) -> None:
        item = latest(item_of(ended("failure"), FAILED), errors=WhatWentWrong((ErrorGroup(LONG),)))
        replies = [messages.change_message(item, each, is_reply=True) for each in item.history]
        replies += messages.whole_texts(item, item.history[-1])
        ids = [each.delivery_id for each in [messages.run_message(item), *replies]]
        assert len(set(ids)) == len(ids)

    def test_the_runs_message_is_the_same_one_whatever_it_tells(self, ended: MakeRun) -> None:
        item = item_of(ended("failure"), FAILED)
        earlier = replace(item, history=item.history[:1])
        told = messages.run_message(item), messages.run_message(earlier)
        assert told[0].delivery_id == told[1].delivery_id
        assert [message.last_change for message in told] == [3, 1]

    def test_a_hushed_failure_calls_nobody_and_offers_nothing(self, ended: MakeRun) -> None:
        fields: dict[str, Any] = {"mentions": ("U01",), "streak": 3}
        aloud = latest(item_of(ended("failure"), FAILED), **fields)
        hushed = latest(aloud, hushed=True)
        told = messages.change_message(aloud, aloud.history[-1], is_reply=True)
        quiet = messages.change_message(hushed, hushed.history[-1], is_reply=True)
        assert told.text == f"<@U01>\n{quiet.text}"
        assert "<@U01>" not in messages.run_message(hushed, is_news=True).text
        assert controls(told) == ["run_again", "claim", "mute"]
        assert controls(quiet) == []

    @pytest.mark.parametrize("thread_of", [None, "another-run"])
    def test_a_reply_says_which_run_it_is_about(
        self, thread_of: str | None, ended: MakeRun
    ) -> None:
        item = replace(item_of(ended("failure"), FAILED), thread_of=thread_of)
        reply = messages.change_message(item, item.history[-1], is_reply=True)
        assert contexts(reply) == [contexts(messages.run_message(item))[-1]]
        assert f"Run `{item.run_id}`" in contexts(reply)[0]

    def test_a_run_of_another_connection_has_a_delivery_of_its_own(self, ended: MakeRun) -> None:
        item = latest(item_of(ended("failure"), FAILED), errors=WhatWentWrong((ErrorGroup(LONG),)))
        elsewhere = replace(item, connection="outlet")
        for message, theirs in zip(every(item), every(elsewhere), strict=True):
            assert message.delivery_id.startswith(f"{item.run_id} ")
            assert theirs.delivery_id == f"outlet {message.delivery_id}"

    def test_what_becomes_of_a_stalled_run_must_be_seen(self, make_run: MakeRun) -> None:
        states: list[tuple[str, str | None]] = [("started", None)] * 3
        item = item_of(make_run(status="started"), states)
        history = [replace(item.history[0], kind=Kind.STALLED), *item.history[1:]]
        item = replace(item, history=tuple(history))
        assert [messages.must_be_seen(item, each) for each in item.history] == [True, True, False]
        untold = replace(item.history[0], announced=False)
        item = replace(item, history=(untold, *item.history[1:]))
        assert not messages.must_be_seen(item, item.history[1])

    def test_a_misrouted_message_says_where_it_belongs(self, ended: MakeRun) -> None:
        item = item_of(ended("failure", reason="because"), FAILED)
        reply = messages.change_message(item, item.history[-1], is_reply=True)
        moved = messages.misrouted(reply, "#old <!here>", "is_archived`")
        why = "Meant for #old &lt;!here&gt;, where Slack says `is_archived'`."
        assert contexts(moved)[-1] == why
        assert moved.text == f"{reply.text}\n{why}"
        assert not moved.is_reply
        assert controls(reply)
        assert controls(moved) == [], "what they do is told where it was meant for"

    def test_plain_words_have_no_blocks_and_fit_an_edit(self, ended: MakeRun) -> None:
        message = messages.run_message(item_of(ended("failure", reason="x" * 9_000), FAILED))
        words = messages.plain(replace(message, text=message.text * 10))
        assert words.blocks == ()
        assert len(words.text) <= UPDATED_TEXT
        assert messages.plain(message) == replace(message, blocks=())

    @pytest.mark.parametrize("cut", range(1, 14))
    @pytest.mark.parametrize("token", ["&amp;", "&lt;", "<!date^1^{time}|12:00>", "<@U01>"])
    def test_plain_words_end_with_no_half_of_a_token(self, token: str, cut: int) -> None:
        text = "x" * (LONGEST_TEXT - cut) + token + "y" * 100
        words = messages.plain(Message(text, (), "run")).text
        rest = words.removeprefix("x" * (LONGEST_TEXT - cut))
        assert rest == "" or rest.startswith(token)


class TestWhatATaskIsCalled:
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
            assert "Task `task-1`" in contexts(message)[-1]
            assert "(task task-1)" in message.text

    def test_a_change_of_the_past_keeps_what_was_known_of_it(self, ended: MakeRun) -> None:
        item = item_of(ended("success", reason="late"), [*FAILED, ("finished", "success")])
        failed = replace(item.history[2], streak=2, errors=ERRORS)
        item = replace(item, history=(*item.history[:2], failed, item.history[3]))
        told = messages.change_message(item, failed, is_reply=True).text
        assert "Still failing, 2 in a row" in told
        assert "objectID is missing" in told
        assert "late" not in told
        assert "in a row" not in messages.run_message(item).text

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
        names = tuple(f"U{number:02}" for number in range(100) for _ in "12")
        message = messages.run_message(self.item(make_run, Kind.FAILED, names), is_news=True)
        people = [f"<@U{number:02}>" for number in range(MENTIONED_AT_MOST)]
        assert message.text.splitlines()[0].split() == people
        check_content(message.text, list(message.blocks))


times = (
    st.none()
    | st.datetimes(timezones=st.timezones()).map(str)
    | st.sampled_from(["0001-01-01T00:00:00Z", "2026-01-31T09:31:00Z", "9999-12-31T23:59:59Z"])
    | st.text()
)
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
lines = texts | st.text('<>&`!@U01 \n\x00"\\', max_size=3_000)
moments = st.none() | st.datetimes(timezones=st.timezones()).map(str) | st.text()
entries = st.builds(
    HistoryEntry,
    number=st.just(0),
    kind=st.sampled_from(list(Kind)) | texts,
    status=texts,
    outcome=st.none() | texts,
    at=st.sampled_from(["2026-01-31T09:30:30.000Z", "", "soon"]),
    announced=st.booleans(),
    mentions=st.lists(texts | st.sampled_from(["U01", "here", "S<!here>"]), max_size=30).map(tuple),
    streak=st.integers(-1, 10**9),
    since=moments,
    threshold=st.none() | st.integers(0, 10),
    standstill=st.none() | st.sampled_from(list(Standstill)) | texts,
    typical=st.none() | st.integers(0, 10**9),
    hushed=st.booleans(),
    errors=st.none()
    | st.builds(
        WhatWentWrong,
        st.lists(st.builds(ErrorGroup, lines, st.integers(0, 10**9)), max_size=7).map(tuple),
        st.integers(0, 10**12),
    ),
)
notes = st.builds(
    Note,
    st.sampled_from(list(NoteKind)) | texts,
    st.none() | texts | st.from_regex("[UWS][A-Z0-9]{2}", fullmatch=True),
    st.just("2026-01-31T09:45:00.000Z"),
    lines | st.just("2026-01-31T17:45:00.000Z"),
)
names = st.none() | st.builds(Names, *[st.none() | lines] * 4)
items = st.builds(
    lambda run, missed, history, names, notes, more: RunItem(
        "default",
        missed.task_id if run is None else run.run_id,
        snapshot=run,
        history=tuple(replace(entry, number=n) for n, entry in enumerate(history, start=1)),
        names=names,
        notes=tuple(notes),
        missed=missed if run is None else None,
        **more,
    ),
    st.none() | runs,
    st.builds(Missed, texts, st.text() | moments.map(str)),
    st.lists(entries, min_size=1, max_size=12),
    names,
    st.lists(notes, max_size=30),
    st.fixed_dictionaries(
        {
            "updated_at": st.none() | st.just("2026-01-31T09:45:00.000Z"),
            "thread_of": st.none() | texts,
        }
    ),
)
OURS = re.compile(
    r"<!date\^-?\d+\^(\{time_secs\}\|\d\d:\d\d:\d\d UTC"
    r"|(about |since |due |until )\{date_short_pretty\} at \{time\}"
    r"\|(about |since |due |until )\d{1,4}-\d\d-\d\d \d\d:\d\d UTC)>"
    rf"|<{re.escape(DEBUGGER)}\|Connector Debugger>"
)
MENTIONS = re.compile(r"(<@[UW][A-Z0-9]+>|<!subteam\^S[A-Z0-9]+>|<!(here|channel)>)")


def every(item: RunItem) -> list[Message]:
    """All messages that can be made of an item."""
    whole = messages.run_message(item)
    return [
        whole,
        messages.run_message(item, is_news=True),
        *(
            messages.change_message(item, entry, is_reply=is_reply)
            for entry in item.history
            for is_reply in (True, False)
        ),
        *(text for entry in item.history for text in messages.whole_texts(item, entry)),
        *(messages.note_message(item, note, number) for number, note in enumerate(item.notes)),
        messages.misrouted(whole, item.run_id, item.run_id),
    ]


@settings(max_examples=100)
@given(items)
def test_any_message_keeps_slacks_limits(item: RunItem) -> None:
    assert len(messages.run_message(item).text) <= LONGEST_TEXT
    for message in every(item):
        check_content(message.text, list(message.blocks))
        check_metadata(message.metadata)
        assert len(json.dumps(message.blocks, ensure_ascii=False)) <= ALL_BLOCKS
        words = messages.plain(message).text
        assert len(words) <= (LONGEST_POST if message.is_reply else LONGEST_TEXT)
        assert message.is_reply is False or words == message.text


@settings(max_examples=100)
@given(items)
def test_nothing_from_outside_calls_anybody_or_leads_anywhere(item: RunItem) -> None:
    by = [note.by or "" for note in item.notes]
    told = [name for entry in item.history for name in entry.mentions]
    ours = {mention(name) for name in [*by, *told]} - {""}
    for message in every(item):
        for text in (message.text, messages.plain(message).text, *_laid_out(message)):
            rest = OURS.sub("", text)
            assert {token[0] for token in MENTIONS.finditer(rest)} <= ours
            rest = MENTIONS.sub("", rest)
            assert "<" not in rest
            assert all(">" not in line.removeprefix("> ") for line in rest.split("\n"))
            assert "&" not in re.sub(r"&(amp|lt|gt);", "", rest)
        # Slack would link names and parse mentions that are written out.
        assert all(text.get("verbatim") is True for text in _mrkdwn(message))


@settings(max_examples=100)
@given(items)
def test_an_edit_mentions_nobody_but_those_who_did_something(item: RunItem) -> None:
    by = {mention(note.by or "") for note in item.notes}
    assert {token[0] for token in MENTIONS.finditer(messages.run_message(item).text)} <= by


@settings(max_examples=100)
@given(items)
def test_the_text_says_what_the_blocks_say_as_far_as_there_is_room(item: RunItem) -> None:
    for message in every(item):
        said = _words(message.text)
        for block in message.blocks:
            if block["type"] == "context":
                line = block["elements"][0]["text"]
                assert _words(line) <= said or len(message.text) + len(line) >= LONGEST_TEXT
            elif block["type"] != "actions":
                assert _words("\n".join(_texts_of(block))) <= said


@settings(max_examples=100)
@given(items, st.lists(st.text(min_size=500, max_size=9_000), min_size=1, max_size=2))
def test_whole_texts_lose_nothing(item: RunItem, said: list[str]) -> None:
    wrong = WhatWentWrong(tuple(ErrorGroup(text * 3) for text in said), len(said))
    item = latest(item, errors=wrong)
    entry = item.history[-1]
    told = messages.whole_texts(item, entry)
    for name, _, text in shortened(item, entry):
        own = [_whole(message) for message in told if message.part.startswith(f"{name} from ")]
        assert _seen("".join(own)) == _seen(printable(text))


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


def _mrkdwn(message: Message) -> Iterator[dict[str, Any]]:
    for block in message.blocks:
        texts = block.get("elements", [block.get("text")])
        yield from (text for text in texts if text and text["type"] == "mrkdwn")


def _laid_out(message: Message) -> list[str]:
    return [text["text"] for text in _mrkdwn(message)]


def _texts_of(block: dict[str, Any]) -> list[str]:
    if block["type"] == "rich_text":
        return [code["elements"][0]["text"] for code in block["elements"]]
    return [block["text"]["text"]]


def _whole(message: Message) -> str:
    """The long text of a message, or the part of it."""
    codes = [block for block in message.blocks if block["type"] == "rich_text"]
    return "".join(text for block in codes for text in _texts_of(block))


def _seen(text: str) -> str:
    """A text without the sign, seen by nobody, that keeps words of others from being a mention."""
    return text.replace("\N{WORD JOINER}", "")


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))
