"""Checks of the store, the spool, the space for them, and who else can read them."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from ..._core import Text, is_open_to_others
from ...errors import StoreError
from ...store import SCHEMA_REVISION, read_store_revision, translate_driver_errors
from ..operations import find_other_store
from .check import Check, CheckSeverity, Values, describe_count
from .subject import Subject

_MIB = 1024 * 1024


def _find_opening_problem(subject: Subject) -> Values | None:
    error = subject.opening_error
    if error is None or (isinstance(error, StoreError) and _is_of_another_revision(subject)):
        return None
    return {"problem": Text(error.message, error.vi)}


def _is_of_another_revision(subject: Subject) -> bool:
    """Tell whether the revision is why a store does not open, which a check of its own tells."""
    try:
        return _find_wrong_revision(subject) is not None
    except StoreError:
        return False


def _find_store_down(subject: Subject) -> Values | None:
    try:
        with subject.context.store.snapshot() as tx:
            tx.schedule.list_jobs(subject.agency)
    except StoreError as error:
        return {"problem": Text(error.message, error.vi)}
    return None


def _find_wrong_revision(subject: Subject) -> Values | None:
    if subject.opened is not None:
        revision = subject.opened.store.read_revision()
    else:
        revision = read_store_revision(subject.settings.store_url())
        if revision is None:  # no database yet, or none of ours
            return None
    return None if revision == SCHEMA_REVISION else {"revision": revision or "?", "needed": SCHEMA_REVISION}


def _find_store_beside(subject: Subject) -> Values | None:
    other = subject.context.guard.find_other()
    return None if other is None else {"database": other.database, "place": other.seen_at}


def _find_documents_of_others(subject: Subject) -> Values | None:
    """Find what was sent with another store and reported on to this one."""
    documents = find_other_store(subject.context).unknown_documents
    return {"count": len(documents), "first": documents[0]} if documents else None


def _find_restore(subject: Subject) -> Values | None:
    return {} if subject.context.store.identity.is_restoring else None


def _find_unwritable_spool(subject: Subject) -> Values | None:
    try:
        subject.context.store.spool.require_writable()
    except StoreError as error:
        return {"problem": Text(error.message, error.vi)}
    return None


def _find_little_space(subject: Subject) -> Values | None:
    free, folder = measure_free_space(subject)
    wanted = subject.settings.checks.free_space
    return {"free": free // _MIB, "wanted": wanted // _MIB, "folder": folder} if free < wanted else None


def measure_free_space(subject: Subject) -> tuple[int, Path]:
    """Measure the bytes that are free for the spool or the database, where there are fewer; with that folder.

    Raises:
        StoreError: a folder is gone.
    """
    with translate_driver_errors():
        return min((shutil.disk_usage(folder).free, folder) for folder in _list_folders(subject))


def _list_folders(subject: Subject) -> list[Path]:
    store = subject.context.store
    database = store.find_database_file()
    return [store.spool.root, *([database.absolute().parent] if database is not None else [])]


def _find_open_secrets(subject: Subject) -> Values | None:
    paths = [path for path in dict.fromkeys(subject.settings.list_secret_files()) if is_open_to_others(path)]
    return {"count": len(paths), "path": paths[0]} if paths else None


def _find_open_data(subject: Subject) -> Values | None:
    store = subject.context.store
    database = store.find_database_file()
    with translate_driver_errors():
        paths = [path for path in (database,) if path is not None and is_open_to_others(path)]
        paths += [path for path in (store.spool.root,) if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)]
    return {"count": len(paths), "path": paths[0]} if paths else None


def _find_orphans(subject: Subject) -> Values | None:
    return describe_count(sum(fault.kind in ("orphan", "draft") for fault in subject.read_faults()))


def _find_missing(subject: Subject) -> Values | None:
    return describe_count(sum(fault.kind == "missing" for fault in subject.read_faults()))


STORE_CHECKS = (
    Check(
        code="CHK-OPEN",
        severity=CheckSeverity.FAIL,
        title=Text("the connector opens", "mở được kết nối"),
        sentence=Text("the connector cannot be opened: {problem}", "không mở được kết nối: {problem}"),
        cure=Text(
            "do what the error says, then run edoc doctor again",
            "hãy làm theo thông báo lỗi rồi chạy lại edoc doctor",
        ),
        find=_find_opening_problem,
    ),
    Check(
        code="CHK-STORE-DOWN",
        severity=CheckSeverity.FAIL,
        title=Text("the store answers", "kho dữ liệu hoạt động"),
        sentence=Text("the store does not answer: {problem}", "kho dữ liệu không hoạt động: {problem}"),
        cure=Text(
            "start the database, and the worker goes on by itself; where the file is gone, put it back or restore a "
            "backup, and start the worker again",
            "hãy khởi động lại cơ sở dữ liệu, tiến trình sẽ tự chạy tiếp; nếu mất tệp, hãy đặt lại hoặc khôi phục bản "
            "sao lưu rồi chạy lại tiến trình",
        ),
        find=_find_store_down,
    ),
    Check(
        code="CHK-STORE-REVISION",
        severity=CheckSeverity.FAIL,
        title=Text("the store's schema fits this version", "cấu trúc kho dữ liệu đúng phiên bản"),
        sentence=Text(
            "the store has schema revision {revision}, this version of the library needs {needed}",
            "kho dữ liệu có phiên bản cấu trúc {revision}, thư viện này cần {needed}",
        ),
        cure=Text(
            "make a backup, stop what uses the store, install one version everywhere, then run edoc db upgrade",
            "hãy sao lưu, dừng mọi chương trình đang dùng kho, cài cùng một phiên bản rồi chạy edoc db upgrade",
        ),
        find=_find_wrong_revision,
    ),
    Check(
        code="CHK-OTHER-STORE",
        severity=CheckSeverity.FAIL,
        title=Text("no other store is used for this agency", "không có kho dữ liệu khác đang dùng cho đơn vị này"),
        sentence=Text(
            "another program works for this agency with another store ({database}, seen at {place})",
            "có chương trình khác đang làm việc cho đơn vị này với kho dữ liệu khác ({database}, thấy tại {place})",
        ),
        cure=Text(
            "use one store for both, or end one: with two, documents are handled twice",
            "hãy dùng chung một kho hoặc dừng một chương trình: hai kho sẽ khiến văn bản bị xử lý hai lần",
        ),
        find=_find_store_beside,
    ),
    Check(
        code="CHK-FOREIGN-DOCUMENTS",
        severity=CheckSeverity.WARN,
        title=Text(
            "statuses that come are about documents of this store",
            "trạng thái nhận được là của văn bản trong kho này",
        ),
        sentence=Text(
            "recipients reported on {count} documents that this store never sent, first {first}",
            "nơi nhận đã báo trạng thái cho {count} văn bản mà kho này chưa từng gửi, đầu tiên là {first}",
        ),
        cure=Text(
            "find out which program sends for this agency with another store, and end it or let both use one store",
            "hãy tìm chương trình đang gửi thay đơn vị này với kho dữ liệu khác, dừng lại hoặc dùng chung một kho",
        ),
        find=_find_documents_of_others,
    ),
    Check(
        code="CHK-RESTORE",
        severity=CheckSeverity.WARN,
        title=Text("no restore waits for its end", "không có lần khôi phục nào chưa kết thúc"),
        sentence=Text(
            "the store was restored from a backup, and nobody has ended that yet",
            "kho dữ liệu được khôi phục từ bản sao lưu nhưng chưa có ai kết thúc việc khôi phục",
        ),
        cure=Text("do what edoc restored says", "hãy làm theo hướng dẫn của edoc restored"),
        find=_find_restore,
    ),
    Check(
        code="CHK-SPOOL",
        severity=CheckSeverity.FAIL,
        title=Text("the spool takes files", "kho tạm ghi được"),
        sentence=Text("nothing can be written to the spool: {problem}", "không ghi được vào kho tạm: {problem}"),
        cure=Text(
            "make space, or give the folder back to the worker's user; what is queued waits for it",
            "hãy giải phóng dung lượng hoặc trả quyền ghi thư mục cho tài khoản chạy tiến trình; việc đang chờ vẫn giữ",
        ),
        find=_find_unwritable_spool,
    ),
    Check(
        code="CHK-SPACE",
        severity=CheckSeverity.WARN,
        title=Text("there is space for packets", "còn dung lượng cho gói tin"),
        sentence=Text(
            "{free} MiB are free for {folder}, fewer than {wanted}", "{folder} chỉ còn {free} MiB, ít hơn {wanted} MiB"
        ),
        cure=Text(
            "make space, or remove old packets with edoc prune",
            "hãy giải phóng dung lượng hoặc xóa gói tin cũ bằng edoc prune",
        ),
        find=_find_little_space,
    ),
    Check(
        code="CHK-SECRET-MODES",
        severity=CheckSeverity.WARN,
        title=Text("files with secrets are closed to others", "tệp chứa mã bí mật không mở cho người khác"),
        sentence=Text(
            "other users of this machine can read {count} files with secrets, {path} first",
            "người dùng khác trên máy đọc được {count} tệp chứa mã bí mật, đầu tiên là {path}",
        ),
        cure=Text("chmod 600 it, and change the secret", "hãy chạy chmod 600 cho tệp và đổi mã bí mật"),
        find=_find_open_secrets,
    ),
    Check(
        code="CHK-DATA-MODES",
        severity=CheckSeverity.WARN,
        title=Text("the store and the spool are closed to others", "kho dữ liệu và kho tạm không mở cho người khác"),
        sentence=Text(
            "other users of this machine can read {path}, where documents are",
            "người dùng khác trên máy đọc được {path}, nơi chứa văn bản",
        ),
        cure=Text("chmod 600 the file, or 700 the folder", "hãy chạy chmod 600 cho tệp hoặc chmod 700 cho thư mục"),
        find=_find_open_data,
    ),
    Check(
        code="CHK-SPOOL-MISSING",
        severity=CheckSeverity.FAIL,
        title=Text("the spool has every packet", "kho tạm đủ gói tin"),
        sentence=Text("{count} packets are gone from the spool", "kho tạm bị mất {count} gói tin"),
        cure=Text(
            "run edoc fsck --repair, which looks for them here and at the hub",
            "hãy chạy edoc fsck --repair để tìm lại trên máy và trên trục",
        ),
        find=_find_missing,
        is_slow=True,
    ),
    Check(
        code="CHK-SPOOL-ORPHANS",
        severity=CheckSeverity.WARN,
        title=Text("no file of the spool is forgotten", "kho tạm không có tệp mồ côi"),
        sentence=Text("no row names {count} files of the spool", "{count} tệp trong kho tạm không thuộc bản ghi nào"),
        cure=Text(
            "run edoc fsck --repair, which sets them aside",
            "hãy chạy edoc fsck --repair để chuyển sang thư mục riêng",
        ),
        find=_find_orphans,
        is_slow=True,
    ),
)
