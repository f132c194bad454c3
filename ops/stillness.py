"""Holds a deployed stack still: nothing of it runs until it is let go."""

from __future__ import annotations

import time
from typing import Any

from ops.stack import Stack, StackError

TRIGGERED = ("PollFunctionName", "ApiFunctionName", "InteractFunctionName")
"""The outputs that name the functions which something outside the stack's queue starts."""

PATIENCE = 120.0
"""Seconds that the queue's event source may take to be switched."""


def hold(stack: Stack) -> None:
    """Let none of the stack's functions be started.

    The first three have no concurrency left; the queue's event source is switched off, so that
    messages wait without being counted as tried.
    """
    functions = stack.client("lambda")
    for output in TRIGGERED:
        functions.put_function_concurrency(
            FunctionName=stack.outputs[output], ReservedConcurrentExecutions=0
        )
    _switch(functions, stack.outputs["NotifyFunctionName"], is_on=False)


def let_poll_go(stack: Stack) -> None:
    """Let poll be started, and nothing else."""
    name = stack.outputs["PollFunctionName"]
    stack.client("lambda").delete_function_concurrency(FunctionName=name)


def let_go(stack: Stack) -> None:
    """Let all of the stack's functions be started."""
    functions = stack.client("lambda")
    for output in TRIGGERED:
        functions.delete_function_concurrency(FunctionName=stack.outputs[output])
    _switch(functions, stack.outputs["NotifyFunctionName"], is_on=True)


def _switch(functions: Any, name: str, *, is_on: bool) -> None:
    """Switch the event sources of a function, and wait until that is done."""
    sources = functions.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    for source in sources:
        functions.update_event_source_mapping(UUID=source["UUID"], Enabled=is_on)
    wanted, ends = "Enabled" if is_on else "Disabled", time.monotonic() + PATIENCE
    for source in sources:
        while functions.get_event_source_mapping(UUID=source["UUID"])["State"] != wanted:
            if time.monotonic() > ends:
                raise StackError(f"the event source of {name} does not become {wanted}")
            time.sleep(1)
