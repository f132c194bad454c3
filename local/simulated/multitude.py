"""A multitude of changes, played to the parts that hold the state, with trouble at a seeded rate.

Runs are created, start and end, some of them badly; each is looked at, committed, queued, told and
in the end forgotten, by Runbell's own parts over a table in memory. Meanwhile looks are doubled and
come late, races are lost, words are doubled, and processes are killed at any edge of their steps.
What has come of each run is held against its script before it is forgotten.
"""

from __future__ import annotations

import io
import json
import uuid
import warnings
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, cast

from local.simulated.fifo import FifoQueues
from local.simulated.mapping import batch_of
from local.simulated.table import MemoryTable
from local.table import template
from runbell.background import Background
from runbell.checker import Checker
from runbell.closed_channels import ClosedChannels
from runbell.connections import DEFAULT, Connection, Scan
from runbell.deadline import Deadline
from runbell.events import WhatWentWrong
from runbell.inbox import Inbox
from runbell.items import RunItem, run_key
from runbell.metering import meter
from runbell.notifier import Notifier
from runbell.outbox import DeadLetters, Outbox, Wake
from runbell.rules import Routing
from runbell.run import Run, timestamp
from runbell.settings import NOTIFIABLE
from runbell.slack.access import SlackAccess
from runbell.slack.messages import Message
from runbell.slack.messenger import Messenger, Place
from runbell.store import RunStore
from runbell.sweeper import Sweeper
from runbell.tasks import TaskInfo, TaskItem

TICK = 60.0
"""Seconds from one tick to the next; a run moves on once in each."""

RUNS_A_TICK = 200
"""Runs that are created in each."""

TASKS, CHANNELS = 1_000, 40

KEPT = 60
"""Ticks after which a run that has ended is held against its script and forgotten."""

LAST_TICKS = 90
"""Ticks at the end in which nothing new happens."""

LIVES: tuple[tuple[tuple[str, str | None], ...], ...] = (
    (("created", None), ("started", None), ("finished", "success")),
    (("created", None), ("started", None), ("finished", "failure")),
)
FAILURES = 0.1

CHANGES_A_RUN = 3


@dataclass(frozen=True)
class Trouble:
    """How often things go wrong, of a look, a word or an edge of a step.

    Args:
        doubled_looks: Two ticks at once look at the same.
        late_looks: What an older answer says is looked at after a newer one.
        races: Somebody else looks between a look's reading and its writing, and sees more: such a
            run is a state further by then, if there is one.
        doubled_words: The queue holds a word twice.
        kills: A process ends before or after a write or a request to Slack.
        hidden: Of the messages that a killed process has posted, those that Slack then does not
            show, so that they are posted twice.
    """

    doubled_looks: float = 0.01
    late_looks: float = 0.01
    races: float = 0.01
    doubled_words: float = 0.01
    kills: float = 0.001
    hidden: float = 0.2


@dataclass
class Played:
    """What came of it, in numbers; `wrong` says of each run that is not as it should be why.

    Args:
        counts: What was done and what went wrong on purpose, by name.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: Played) -> None:
        """Put another process's numbers to these."""
        self.counts += other.counts
        self.wrong += other.wrong


class _Killed(BaseException):
    """The process has ended here."""


class _Dice:
    """Decides by a seed what goes wrong, and counts it."""

    def __init__(self, seed: int, counts: Counter[str]) -> None:
        self.random = Random(seed)
        self._counts = counts

    def falls(self, share: float, name: str) -> bool:
        if self.random.random() >= share:
            return False
        self._counts[name] += 1
        return True

    def edge(self, kills: float) -> None:
        """One edge of a process's steps."""
        if self.falls(kills, "kills"):
            raise _Killed


class _Names(Background):
    """Knows nothing of tasks and events, and asks nobody."""

    def __init__(self) -> None:
        pass

    def info_of(self, task: TaskItem, deadline: Deadline, *, watches_time: bool) -> TaskInfo | None:
        """Nothing."""
        del deadline, watches_time
        return task.info

    def what_went_wrong(self, run: Run, deadline: Deadline) -> WhatWentWrong | None:
        """Nothing."""
        del run, deadline
        return None


class _Slack(SlackAccess):
    """A Slack that takes everything, shows what it has, and writes down what each run's messages
    have told; a process that talks to it may be killed before and after."""

    can_edit = True

    def __init__(self, dice: _Dice, trouble: Trouble, counts: Counter[str]) -> None:
        self._dice = dice
        self._trouble = trouble
        self._counts = counts
        self._numbers = 0
        self._shown: dict[str, Place] = {}
        self.posted: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.told: defaultdict[str, list[int]] = defaultdict(list)
        self.hidden: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def messenger(self) -> Messenger:
        """Itself."""
        return self

    def renewed(self) -> None:
        """It never refuses."""

    def post(
        self,
        channel: str,
        message: Message,
        *,
        thread: str | None = None,
        broadcast: bool = False,
    ) -> Place:
        """Take a message."""
        del thread, broadcast
        self._dice.edge(self._trouble.kills)
        self._numbers += 1
        self._counts["posts"] += 1
        name = message.delivery_id
        place = Place(channel, f"{self._numbers}.0", message.last_change, message.kind)
        self.posted[message.run_id][name] += 1
        self.told[message.run_id].append(message.last_change)
        self._shown[name] = place
        try:
            self._dice.edge(self._trouble.kills)
        except _Killed:
            if self._dice.falls(self._trouble.hidden, "hidden posts"):
                self.hidden[message.run_id][name] += 1
                del self._shown[name]
            raise
        return Place(channel, place.ts)

    def edit(self, place: Place, message: Message) -> None:
        """Take an edit."""
        self._dice.edge(self._trouble.kills)
        assert place.ts is not None, "only what was posted is edited"
        self._counts["edits"] += 1
        self.told[message.run_id].append(message.last_change)
        self._dice.edge(self._trouble.kills)

    def find(
        self, channel: str, message: Message, *, thread: str | None = None, since: float = 0.0
    ) -> Place | None:
        """Show a message, if it is there."""
        del channel, thread, since
        return self._shown.get(message.delivery_id)

    def remark(self) -> None:
        """It could do nothing better."""

    def identity(self) -> None:
        """It is nobody's."""

    def forget(self, run_id: str) -> None:
        """Forget a run's messages."""
        for name in self.posted.pop(run_id, ()):
            self._shown.pop(name, None)
        self.told.pop(run_id, None)
        self.hidden.pop(run_id, None)


class _Context:
    """What Lambda tells a function of its own invocation."""

    def get_remaining_time_in_millis(self) -> int:
        return 20_000


@dataclass
class _Life:
    """A run's script, how far it is, and what was to be seen of it."""

    run_id: str
    task_id: str
    channel: str
    states: tuple[tuple[str, str | None], ...]
    created_at: str
    number: int = 0
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    ended_at: str | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""
        return self.number == len(self.states)

    def go_on(self, now: str) -> Run:
        """The run in its next state."""
        self.number += 1
        self.ended_at = now if self.is_over else None
        return self.at(self.number)

    def at(self, number: int) -> Run:
        """The run in its state of that number, from 1 on."""
        status, outcome = self.states[number - 1]
        is_over = number == len(self.states)
        return Run(
            self.run_id,
            "STANDIN001",
            self.task_id,
            status,
            "reindex",
            created_at=self.created_at,
            started_at=self.created_at if number > 1 else None,
            finished_at=self.ended_at if is_over else None,
            outcome=outcome,
        )


class Multitude:
    """Plays runs with three changes each.

    Args:
        seed: Two plays with the same one take the same course.
        trouble: What goes wrong meanwhile.
        kind: Of which kind its table is.
    """

    def __init__(
        self, seed: int, trouble: Trouble = Trouble(), kind: type[MemoryTable] = MemoryTable
    ) -> None:
        self._seconds = datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()
        self._trouble = trouble
        self.played = Played()
        self._dice = _Dice(seed, self.played.counts)
        self._rival: Callable[[], None] | None = None
        self._is_mortal = False
        self._name = f"{seed:02}"
        self.table = kind(self._before_write, self._edge)
        self._queues = FifoQueues(lambda: self._seconds)
        self._slack = _Slack(self._dice, trouble, self.played.counts)
        self._old: deque[tuple[int, _Life]] = deque()
        self._build()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._seconds, UTC)

    def _build(self) -> None:
        sqs = cast("Any", self._queues)
        wanted = template()["Resources"]
        redrive = {"deadLetterTargetArn": "dead", "maxReceiveCount": 30}
        visibility = str(wanted["Queue"]["Properties"]["VisibilityTimeout"])
        self._queues.create_queue(QueueName="dead", Attributes={"VisibilityTimeout": "30"})
        self._queues.create_queue(
            QueueName="queue",
            Attributes={"VisibilityTimeout": visibility, "RedrivePolicy": json.dumps(redrive)},
        )
        self._batch = wanted["NotifyQueueMapping"]["Properties"]["BatchSize"]
        self._store = RunStore(self.table, retention=timedelta(days=30), now=self._now)
        self._outbox = Outbox(sqs, "queue")
        self._sweeper = Sweeper(DEFAULT, self._store, self._outbox, now=self._now)
        letters = DeadLetters(sqs, "dead")
        closed = ClosedChannels(self.table, now=self._now)
        notifier = Notifier(self._store, closed, self._slack, letters, now=self._now)
        self._inbox = Inbox(sqs, "queue", notifier, letters)
        connection = Connection(
            DEFAULT, discover="all", scan=Scan(all_since=timestamp(self._now()))
        )
        self._checkers = {
            f"#channel-{number:02}": Checker(
                connection,
                cast("Any", None),  # nobody is asked: each look is given what was seen
                self._store,
                self._outbox,
                _Names(),
                Routing(f"#channel-{number:02}", frozenset(NOTIFIABLE)),
                now=self._now,
            )
            for number in range(CHANNELS)
        }

    def play(self, changes: int) -> Iterator[int]:
        """Play runs from beginning to end; yields how many changes there have been.

        Args:
            changes: How many there are to be, or a few more.
        """
        alive: list[_Life] = []
        begun = tick = 0
        while (missing := changes - self._to_come(begun)) > 0 or alive:
            new = min(RUNS_A_TICK, max(0, -(-missing // CHANGES_A_RUN)))
            alive += [self._new_life(begun + number) for number in range(new)]
            begun += new
            self._survives(self._sweeper.sweep)
            for life in alive:
                self._move_on(life)
            self._old += [(tick, life) for life in alive if life.is_over]
            alive = [life for life in alive if not life.is_over]
            self._end_tick()
            while self._old and self._old[0][0] + KEPT <= tick:
                self._forget(self._old.popleft()[1])
            tick += 1
            yield self.played.counts["changes"]
        for _ in range(LAST_TICKS):
            self._survives(self._sweeper.sweep)
            self._end_tick()
        while self._old:
            self._forget(self._old.popleft()[1])
        self._check_end()

    def _to_come(self, runs: int) -> int:
        """Changes of so many runs, as far as nobody overtakes a look at one."""
        return runs * CHANGES_A_RUN - self.played.counts["overtaken"]

    # ---- A tick ---------------------------------------------------------------------------------

    def _new_life(self, number: int) -> _Life:
        task = number % TASKS
        is_bad = self._dice.random.random() < FAILURES
        return _Life(
            f"run-{self._name}-{number:07}",
            f"task-{task:04}",
            f"#channel-{task % CHANNELS:02}",
            LIVES[is_bad],
            timestamp(self._now()),
        )

    def _move_on(self, life: _Life) -> None:
        """Let a run change, and look at it until that is seen."""
        run = latest = life.go_on(timestamp(self._now()))
        if self._dice.falls(self._trouble.races, "races"):
            if not life.is_over:
                latest = life.go_on(timestamp(self._now()))
                self.played.counts["overtaken"] += 1
            self._rival = lambda: self._look(life, latest)
        life.seen.append(life.states[life.number - 1])
        self.played.counts["changes"] += 1
        while not self._survives(lambda: self._look(life, run)):
            pass  # the next tick comes by it again
        run = latest
        if self._dice.falls(self._trouble.doubled_looks, "doubled looks"):
            self._look(life, run)
        if life.number > 1 and self._dice.falls(self._trouble.late_looks, "late looks"):
            self._look(life, life.at(life.number - 1))
        if self._dice.falls(self._trouble.doubled_words, "doubled words"):
            item = self._store.get(DEFAULT, life.run_id)
            self._outbox.enqueue([Wake.of(item)], sweep=uuid.uuid4().hex)

    def _look(self, life: _Life, run: Run) -> None:
        self._checkers[life.channel].observe(run, Deadline(30))

    def _end_tick(self) -> None:
        """Let notify do what is in the queue, and let a minute go by."""
        while messages := self._queues.receive_message(
            QueueUrl="queue", MaxNumberOfMessages=self._batch
        ).get("Messages"):
            self._survives(lambda given=messages: self._notify(given))  # type: ignore[misc]
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():  # the metrics go nowhere
            warnings.simplefilter("ignore")
            meter.flush()
        self._seconds += TICK

    def _notify(self, messages: list[dict[str, Any]]) -> None:
        """One invocation of notify; if it is killed, its batch comes again after a while."""
        response = self._inbox.drain(batch_of(messages), cast("Any", _Context()))
        back = {failure["itemIdentifier"] for failure in response["batchItemFailures"]}
        for message in messages:
            if message["MessageId"] not in back:
                handle = message["ReceiptHandle"]
                self._queues.delete_message(QueueUrl="queue", ReceiptHandle=handle)
        self.played.counts["words"] += len(messages)

    def _survives(self, act: Callable[[], object]) -> bool:
        """Do something in a process that may be killed; False if it was."""
        self._is_mortal = True
        try:
            act()
        except _Killed:
            return False
        finally:
            self._is_mortal = False
            self._rival = None
        return True

    def _before_write(self) -> None:
        if self._rival is not None:
            rival, self._rival = self._rival, None
            is_mortal, self._is_mortal = self._is_mortal, False
            rival()
            self._is_mortal = is_mortal
        self._edge()

    def _edge(self) -> None:
        if self._is_mortal:
            self._dice.edge(self._trouble.kills)

    # ---- What came of it ------------------------------------------------------------------------

    def _forget(self, life: _Life) -> None:
        """Hold a run against its script; then drop it, as DynamoDB's TTL does."""
        item = self._store.get(DEFAULT, life.run_id)
        self.played.wrong += [f"{life.run_id}: {word}" for word in self._faults(life, item)]
        self.played.counts["commits"] += len(item.history)
        posted, hidden = self._slack.posted[life.run_id], self._slack.hidden[life.run_id]
        for name, times in posted.items():
            self.played.counts["duplicates"] += times - 1
            if times - 1 > hidden[name]:
                self.played.wrong.append(f"{life.run_id}: {name} was posted {times} times")
        self._slack.forget(life.run_id)
        self.table.delete(run_key(DEFAULT, life.run_id))

    def _faults(self, life: _Life, item: RunItem) -> Iterator[str]:
        states = [(entry.status, entry.outcome) for entry in item.history]
        if states != life.seen:
            yield f"committed as {states}"
        if [entry.number for entry in item.history] != [*range(1, len(states) + 1)]:
            yield "its changes are not numbered one by one"
        if not all(entry.announced for entry in item.history):
            yield "a change was not to be announced"
        if item.pending_since is not None or item.delivery.told != len(life.seen):
            yield "something is still to be told"
        told = self._slack.told[life.run_id]
        if not told or told[-1] != len(life.seen):
            yield f"Slack shows {told[-1:]} of {len(life.seen)} changes"
        if told != sorted(told):
            yield f"told in the order {told}"

    def _check_end(self) -> None:
        if pending := [*self._store.pending(DEFAULT)]:
            self.played.wrong.append(f"{len(pending)} runs are pending at the end")
        for name in ("queue", "dead"):
            if bodies := self._queues.bodies(name):
                self.played.wrong.append(f"{len(bodies)} words are left in {name}")
        self.played.counts["table calls"] = self.table.calls_made
