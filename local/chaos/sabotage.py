"""The campaign's side of the saboteur: puts it into the functions, orders, and reads its deeds."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from local.chaos import saboteur
from local.chaos.saboteur import DROP_AFTER, DROP_BEFORE, KILL_AFTER, KILL_BEFORE, THROTTLE
from local.stack import BUILT, Stack

ENTRY = """\
from saboteur import Saboteur

Saboteur({folder!r}, {function!r}).install()

from genuine import handler
"""

FUNCTIONS = {"poll": "PollFunction", "api": "ApiFunction", "notify": "NotifyFunction"}
"""The functions by the name under which they are given orders, as the template calls them."""

STEPS = {
    "notify": (
        *("chat.postMessage", "chat.update", "GetItem", "UpdateItem"),
        *("ChangeMessageVisibility", "GetSecretValue", "SendMessage"),
    ),
    "poll": (
        *("runs", "tasks", "Query", "BatchGetItem", "GetItem", "UpdateItem"),
        *("TransactWriteItems", "SendMessageBatch", "GetSecretValue"),
    ),
    "api": ("runs", "GetItem", "UpdateItem", "TransactWriteItems", "SendMessageBatch"),
}
"""What each function asks of others: its steps, each with an edge before it and one after."""

KILLS = (KILL_BEFORE, KILL_AFTER)
BREAKS = (THROTTLE, DROP_BEFORE, DROP_AFTER)


def is_of_aws(step: str) -> bool:
    """Whether a step asks AWS, which names its operations in one word of capitals."""
    return step[:1].isupper()


@dataclass(frozen=True)
class Deed:
    """What the saboteur did: in which function, at which step, and about which runs."""

    function: str
    operation: str
    act: str
    runs: tuple[str, ...]

    @property
    def is_kill(self) -> bool:
        """Whether the process has ended there."""
        return self.act in KILLS


class Sabotage:
    """Orders for the saboteurs in a stack's functions.

    Args:
        folder: An empty folder for the orders and the deeds.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        for name in ("orders", "taken"):
            (folder / name).mkdir()

    def enter(self, stack: Stack) -> None:
        """Put a saboteur into each function of a stack, in front of its own code."""
        functions = stack.aws.client("lambda")
        for function, resource in FUNCTIONS.items():
            functions.update_function_code(
                FunctionName=stack.outputs[f"{resource}Name"],
                ZipFile=self._package(function, BUILT / resource),
            )

    def _package(self, function: str, built: Path) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as package:
            for file in built.rglob("*"):
                if file.is_file() and "__pycache__" not in file.parts:
                    name = str(file.relative_to(built))
                    package.write(file, "genuine.py" if name == "app.py" else name)
            package.write(saboteur.__file__, "saboteur.py")
            entry = ENTRY.format(folder=str(self._folder), function=function)
            package.writestr("app.py", entry)
        return packed.getvalue()

    def order(self, function: str, operation: str, act: str) -> None:
        """Have something done at the next such step of a function."""
        self._number += 1
        name = f"{self._number:06}~{function}~{operation}~{act}"
        (self._folder / "orders" / name).touch()

    def waiting(self) -> int:
        """How many orders nobody has come by for yet."""
        return len([*(self._folder / "orders").iterdir()])

    def withdraw(self) -> None:
        """Take back the orders that nobody has come by for."""
        for order in (self._folder / "orders").iterdir():
            order.unlink(missing_ok=True)

    def deeds(self) -> list[Deed]:
        """What was done so far, in order."""
        file = self._folder / "deeds"
        lines = file.read_text("utf-8").splitlines() if file.exists() else []
        written = [json.loads(line) for line in lines]
        return [
            Deed(each["function"], each["operation"], each["act"], tuple(each["runs"]))
            for each in written
        ]


def count(deeds: list[Deed]) -> Counter[str]:
    """How often each thing was done, in words."""
    return Counter(
        f"{each.function} killed {each.act.removeprefix('kill-')} {each.operation}"
        if each.is_kill
        else f"AWS: {each.act}"
        for each in deeds
    )
