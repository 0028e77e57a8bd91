"""A small DynamoDB in this process, for what needs thousands of tables' lives: quick, seeded, with faults on demand.

It holds the store contract as the other engines do, which is what makes it trustworthy.
"""

from tests.support.memory_engine.engine import WRITES, Faults, MemoryEngine, client_error, conflict, throttled
from tests.support.memory_engine.streams import Record, stream_event

__all__ = ["WRITES", "Faults", "MemoryEngine", "Record", "client_error", "conflict", "stream_event", "throttled"]
