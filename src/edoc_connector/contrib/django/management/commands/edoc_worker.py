"""``manage.py edoc_worker``: sends, polls, confirms and reports, and sends the signals of what came in."""

from __future__ import annotations

import logging
import os
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from ....._core import get_logger, log_exception
from .....errors import EdocError
from .....worker import Worker, open_worker, parse_address, serve_health
from ...configuration import load_agencies
from ...dispatch import build_handlers, lend_connections
from ...models import queue_unqueued

log = get_logger("edoc_connector.contrib.django")

QUEUE_SECONDS = 5.0


class Command(BaseCommand):
    """Works for every agency of the settings until it is stopped (SIGTERM, Ctrl-C)."""

    help = "Send, poll, confirm and report until stopped. / Chạy liên tục việc gửi, nhận văn bản."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="Do what is due, and end; for cron. / Chạy một lần.")
        parser.add_argument("--listen", metavar="[HOST:]PORT", help="Serve /healthz, /readyz, /metrics. / Giám sát.")
        parser.add_argument(
            "--engine", choices=("own", "procrastinate"), help="Who hands out the work. / Ai giao việc."
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the worker.

        Raises:
            CommandError: settings cannot be used, or with ``--once`` a hub was not reached.
        """
        try:
            with open_worker(load_agencies(), handlers=build_handlers(), engine=options["engine"]) as worker:
                if options["once"]:
                    self._run_once(worker)
                else:
                    self._run_until_stopped(worker, options["listen"])
        except EdocError as error:
            raise CommandError(str(error)) from error

    def _run_once(self, worker: Worker) -> None:
        with lend_connections():
            queue_unqueued()
        missed = [agency for agency, is_reached in worker.run_once().items() if not is_reached]
        if missed:
            raise CommandError(
                f"no hub was reached for {', '.join(missed)} / chưa kết nối được trục cho {', '.join(missed)}"
            )

    def _run_until_stopped(self, worker: Worker, listen: str | None) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        with ExitStack() as stack:
            if listen is not None:
                stack.enter_context(serve_health(worker, *parse_address(listen)))
            stack.enter_context(_keep_queueing(worker))
            codes = ", ".join(one.settings.agency.id for one in worker.connectors)
            self.stdout.write(f"working for {codes} / đang phục vụ {codes}")
            self.stdout.flush()
            is_finished = worker.run()
        if not is_finished:  # closing would wait for threads that did not end in time, and they hold nothing
            logging.shutdown()
            os._exit(1)


@contextmanager
def _keep_queueing(worker: Worker) -> Iterator[None]:
    """Queue, in a thread, what a process committed and did not come to queue."""
    is_over = threading.Event()

    def work() -> None:
        while not is_over.wait(QUEUE_SECONDS) and not worker.stopped:
            try:
                with lend_connections():
                    queue_unqueued()
            except (DatabaseError, EdocError) as error:
                log_exception(log, logging.ERROR, "documents of Django's models are not queued now", error=error)

    thread = threading.Thread(target=work, name="edoc-django-queue", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join(QUEUE_SECONDS)
