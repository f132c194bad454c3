"""Tasks with their sources and destinations: those that were put, and believable ones."""

import uuid
from functools import cache
from typing import Any

Resource = dict[str, Any]

SINCE = "2025-01-15T09:00:00.000Z"
SUBJECTS = ("products", "articles", "stores", "recipes", "events", "courses")


class Resources:
    """Answers for every known task, its source and its destination.

    A task is known once it was put or mentioned. What was not put is made up from the
    task's ID, always the same way. What was put is completed with the fields that every
    answer has; optional fields stay as they were put.
    """

    def __init__(self) -> None:
        self._task_ids: set[str] = set()
        self._tasks: dict[str, Resource] = {}
        self._sources: dict[str, Resource] = {}
        self._destinations: dict[str, Resource] = {}

    def mention(self, task_id: str) -> None:
        self._task_ids.add(task_id)

    def put_task(self, task: Resource) -> None:
        self.mention(task["taskID"])
        self._tasks[task["taskID"]] = task

    def put_source(self, source: Resource) -> None:
        self._sources[source["sourceID"]] = source

    def put_destination(self, destination: Resource) -> None:
        self._destinations[destination["destinationID"]] = destination

    def task(self, task_id: str) -> Resource | None:
        """The task, or None for an ID nobody has mentioned."""
        if task_id not in self._task_ids:
            return None
        required = {
            "taskID": task_id,
            "sourceID": _id(task_id, "source"),
            "destinationID": _id(task_id, "destination"),
            "enabled": True,
            "createdAt": SINCE,
            "updatedAt": SINCE,
        }
        optional = {
            "cron": "0 * * * *",
            "failureThreshold": 0,
            "action": "replace",
            "notifications": {"email": {"enabled": True}},
            "policies": {"criticalThreshold": 5},
        }
        return required | self._tasks.get(task_id, optional)

    def source(self, source_id: str) -> Resource | None:
        """The source, or None for one that no task reads."""
        task_id = self._task_with("sourceID", source_id)
        if source_id not in self._sources and task_id is None:
            return None
        subject = _subject(task_id or source_id)
        required = {
            "sourceID": source_id,
            "type": "json",
            "name": f"{subject.capitalize()} feed",
            "createdAt": SINCE,
            "updatedAt": SINCE,
        }
        optional = {"input": {"url": f"https://feeds.example.com/{subject}.json"}}
        return required | self._sources.get(source_id, optional)

    def destination(self, destination_id: str) -> Resource | None:
        """The destination, or None for one that no task writes."""
        task_id = self._task_with("destinationID", destination_id)
        if destination_id not in self._destinations and task_id is None:
            return None
        subject = _subject(task_id or destination_id)
        required = {
            "destinationID": destination_id,
            "type": "search",
            "name": f"{subject.capitalize()} index",
            "input": {"indexName": subject},
            "createdAt": SINCE,
            "updatedAt": SINCE,
        }
        return required | self._destinations.get(destination_id, {})

    def _task_with(self, field: str, resource_id: str) -> str | None:
        for task_id in sorted(self._task_ids):
            task = self.task(task_id)
            if task and task[field] == resource_id:
                return task_id
        return None


@cache
def _id(task_id: str, role: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{role} of {task_id}"))


def _subject(name: str) -> str:
    return SUBJECTS[uuid.uuid5(uuid.NAMESPACE_URL, name).int % len(SUBJECTS)]
