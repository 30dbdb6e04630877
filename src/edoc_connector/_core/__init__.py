"""Foundations of every layer: clock, whole files, certificate files, forks, texts and their form, what may be shown."""

from .certificate_files import decode_text, split_certificates
from .clock import SteadyClock, utc_now
from .csv_table import decode_table, format_table, rearm_cell, split_table
from .file_locks import HAS_ADVISORY_LOCKS, FileQueue, open_lock_file, try_lock
from .files import (
    cannot_write,
    create_private,
    download_part,
    is_open_to_others,
    make_private_folder,
    open_atomic,
    place_download,
    protect_database,
    require_own_folder,
    save_atomic,
    save_folder,
    sync_early,
    sync_folder,
    tighten,
    tighten_folder,
    write_private,
)
from .forks import ForkAware, make_lock, notice_fork, watch_forks
from .hub_names import LONE_HUB, qualify_for_hub, split_job_name, strip_hub
from .labels import Labelled, label_members
from .listening import format_url, is_loopback, open_listener, parse_address
from .log_fields import LOG_FIELDS, bind_log_fields
from .log_handlers import CollapsingHandler, JsonFormatter
from .logs import ABOUT_SETTINGS, get_logger, is_about_settings, log_exception, make_record_safe, quieten_logger
from .normal_form import MAX_MARKS, has_too_many_marks, to_nfc
from .page import Page, iterate_pages, iterate_pages_async
from .stop_flag import StopFlag, sleep_until
from .stored_file import AnyFile, HeldFile, StoredFile, get_path, measure_open_file, open_file
from .subject_names import format_name, parse_name
from .telemetry import OPERATION_RULES, UNOBSERVED, MessagingTelemetry, Observation, Operation
from .text import Text, describe_error, escape_json, escape_line, escape_lines

__all__ = [
    "ABOUT_SETTINGS",
    "HAS_ADVISORY_LOCKS",
    "LOG_FIELDS",
    "LONE_HUB",
    "MAX_MARKS",
    "OPERATION_RULES",
    "UNOBSERVED",
    "AnyFile",
    "CollapsingHandler",
    "FileQueue",
    "ForkAware",
    "HeldFile",
    "JsonFormatter",
    "Labelled",
    "MessagingTelemetry",
    "Observation",
    "Operation",
    "Page",
    "SteadyClock",
    "StopFlag",
    "StoredFile",
    "Text",
    "bind_log_fields",
    "cannot_write",
    "create_private",
    "decode_table",
    "decode_text",
    "describe_error",
    "download_part",
    "escape_json",
    "escape_line",
    "escape_lines",
    "format_name",
    "format_table",
    "format_url",
    "get_logger",
    "get_path",
    "has_too_many_marks",
    "is_about_settings",
    "is_loopback",
    "is_open_to_others",
    "iterate_pages",
    "iterate_pages_async",
    "label_members",
    "log_exception",
    "make_lock",
    "make_private_folder",
    "make_record_safe",
    "measure_open_file",
    "notice_fork",
    "open_atomic",
    "open_file",
    "open_listener",
    "open_lock_file",
    "parse_address",
    "parse_name",
    "place_download",
    "protect_database",
    "qualify_for_hub",
    "quieten_logger",
    "rearm_cell",
    "require_own_folder",
    "save_atomic",
    "save_folder",
    "sleep_until",
    "split_certificates",
    "split_job_name",
    "split_table",
    "strip_hub",
    "sync_early",
    "sync_folder",
    "tighten",
    "tighten_folder",
    "to_nfc",
    "try_lock",
    "utc_now",
    "watch_forks",
    "write_private",
]
