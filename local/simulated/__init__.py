"""Hours of trouble in seconds: a time that goes on when everybody waits, and what lives by it."""

from local.simulated.clock import SimulatedTime
from local.simulated.fifo import FifoQueues
from local.simulated.line import Attempt, Line, Weather
from local.simulated.mapping import Context, EventSource, Invoked, batch_of
from local.simulated.parts import Delivery, delivery

__all__ = [
    "Attempt",
    "Context",
    "Delivery",
    "EventSource",
    "FifoQueues",
    "Invoked",
    "Line",
    "SimulatedTime",
    "Weather",
    "batch_of",
    "delivery",
]
