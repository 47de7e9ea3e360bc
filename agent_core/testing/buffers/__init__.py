"""BufferContract: what every buffer has to pass.

A plugin's author subclasses the contract in the plugin's tests and says how to make the buffer::

    class TestMyBuffer(BufferContract):
        def make_buffer(self, folder, *, capacity, when_full, clock): return MyBuffer(...)

For a shared buffer set ``shared = True``, and let ``make_buffer`` return one whose ``append`` fills it as another agent
would, and whose ``lease`` waits for what was appended; what does not apply to it is skipped.

The standard tests cannot be overridden. Time is a ManualClock, so a buffer must use the clock that it is given to read
the time and to wait. Name the configuration keys ``capacity``, ``when_full`` and ``block_limit``: then the agent's own
suite runs this contract for the buffer wherever it is installed.
"""

from agent_core.testing.buffers.counts import CountTests
from agent_core.testing.buffers.eviction import EvictionTests
from agent_core.testing.buffers.order import OrderTests
from agent_core.testing.buffers.waiting import WaitingTests
from agent_core.testing.buffers.whole import WholeTests

__all__ = ["BufferContract"]


# pytest runs the tests of the last base first: plain tests before those with many threads.
class BufferContract(WholeTests, CountTests, WaitingTests, EvictionTests, OrderTests):
    """The behaviour of ``agent_core.api.Buffer``, sentence by sentence."""
