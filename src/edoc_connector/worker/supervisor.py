"""The supervisor: keeps several worker processes running, and ends them together.

Python runs one thread's code at a time, so one process gets one processor at most. Each process is a whole worker
with a store, threads and leases of its own, as if it had been started by hand; nothing is shared but what is in the
database. Its standard input is a pipe from here that is never written to: where it ends, because of a stop or because
this process was killed, the worker stops. So none is left behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from .._core import StopFlag, get_logger

log = get_logger("edoc_connector.worker")

_LOOK_SECONDS = 0.2  # between two looks at the processes
_FIRST_REST_SECONDS = 1.0  # before a process that ended by itself is started again; it doubles each time
_LONGEST_REST_SECONDS = 60.0  # a process that ran for so long begins with the first rest again
_CLOSING_SECONDS = 10.0  # that a process has beyond its `stop_within`, to close what it has open


class Supervisor:
    """Keeps worker processes running until it is told to stop.

    Args:
        commands: what starts each process. It stops once its standard input ends, or on SIGTERM.
        stop_within: seconds that a process gives to what it is doing when it stops; one that lives for
            ten seconds longer is killed.
        first_rest: seconds before a process that ended by itself is started again; doubled each time, up to a minute.
    """

    def __init__(
        self, commands: Sequence[Sequence[str]], *, stop_within: float, first_rest: float = _FIRST_REST_SECONDS
    ) -> None:
        self._processes = [
            _SupervisedProcess(command, number, first_rest=first_rest) for number, command in enumerate(commands, 1)
        ]
        self._patience = stop_within + _CLOSING_SECONDS
        self._stop = StopFlag()

    def stop(self) -> None:
        """End `run`. May be called from a signal handler, or any thread."""
        self._stop.set()

    def run(self) -> bool:
        """Start the processes, and start those again that end by themselves, until `stop`.

        Returns:
            Whether each process, the last time it ran, finished everything that it had begun.
        """
        try:
            while True:
                for process in self._processes:
                    process.start_if_due()
                if self._stop.wait(_LOOK_SECONDS):
                    break
        finally:
            has_finished = self._end_all()
        return has_finished

    def _end_all(self) -> bool:
        for process in self._processes:
            process.request_stop()
        deadline = time.monotonic() + self._patience
        ends = [process.wait_for_end(deadline) for process in self._processes]
        return all(ends)


class _SupervisedProcess:
    """One worker process, and when it is started again.

    Args:
        command: starts it.
        number: tells it from the others in the log.
        first_rest: seconds before it is started again, the first time.
        clock: seconds that pass.
    """

    def __init__(
        self, command: Sequence[str], number: int, *, first_rest: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._command = list(command)
        self._number = number
        self._first_rest = self._rest = first_rest
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._has_failed = False
        self._started_at = self._due_at = clock()

    def start_if_due(self) -> None:
        """Start it, unless it runs or rests; where it has ended by itself, begin its rest."""
        if self._process is not None and (code := self._process.poll()) is not None:
            self._close_input()
            self._note_failure(f"(process id {self._process.pid}) ended by itself with exit code {code}")
            self._process = None
        if self._process is None and self._clock() >= self._due_at:
            self._start()

    def request_stop(self) -> None:
        """Ask it to stop. Does not wait."""
        if self._process is None:
            return
        self._close_input()
        if os.name == "posix" and self._process.poll() is None:  # elsewhere that would end it at once
            self._process.send_signal(signal.SIGTERM)

    def wait_for_end(self, deadline: float) -> bool:
        """Wait until it has ended, and end it at the deadline; whether it finished what it had begun."""
        if self._process is None:
            return not self._has_failed
        try:
            code = self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
            log.critical("process %d of the worker did not stop, and was killed", self._number)
        return code in (0, -signal.SIGTERM)  # the signal ends what has not begun to work yet

    def _start(self) -> None:
        try:
            # In a session of its own: Ctrl-C is for this process, which tells them, and none is hit while it starts.
            self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603
        except OSError as error:
            self._note_failure(f"cannot be started: {error}")
            return
        self._started_at = self._clock()
        log.info("process %d of the worker has the process id %d", self._number, self._process.pid)

    def _note_failure(self, what: str) -> None:
        now = self._clock()
        if now - self._started_at >= _LONGEST_REST_SECONDS:
            self._rest = self._first_rest
        log.error("process %d of the worker %s; it is started again in %g seconds", self._number, what, self._rest)
        self._has_failed = True
        self._due_at = now + self._rest
        self._rest = min(2 * self._rest, _LONGEST_REST_SECONDS)

    def _close_input(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
