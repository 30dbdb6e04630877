"""Checks of the store, the spool, the space for them, and who else can read them."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

from ..._core import Text, is_open_to_others
from ...edxml import VIETNAM
from ...errors import StoreError
from ...store import SCHEMA_REVISION, Identity, read_store_revision, translate_driver_errors
from ..operations import find_other_store, fsck
from .check import Check, CheckSeverity, Values, describe_count
from .subject import Subject

_MIB = 1024 * 1024


def _find_opening_problem(subject: Subject) -> Values | None:
    error = subject.opening_error
    if error is None or (isinstance(error, StoreError) and _find_wrong_revision(subject) is not None):
        return None
    return {"problem": Text(error.message, error.vi)}


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
    return describe_count(sum(fault.kind in ("orphan", "draft") for fault in fsck(subject.context)))


def _find_missing(subject: Subject) -> Values | None:
    return describe_count(sum(fault.kind == "missing" for fault in fsck(subject.context)))


def _find_other_store(subject: Subject) -> Values | None:
    other = subject.context.guard.find_other()
    return {"database": other.database, "place": other.seen_at} if other is not None else None


def _find_unknown_documents(subject: Subject) -> Values | None:
    documents = find_other_store(subject.context).unknown_documents
    return {"count": len(documents), "document": documents[0]} if documents else None


def _find_restore(subject: Subject) -> Values | None:
    with subject.context.store.snapshot() as tx:
        identity = Identity(tx).read()
    if not identity.is_restoring or identity.snapshot_at is None:
        return None
    state_of = identity.snapshot_at.astimezone(VIETNAM)
    return {"moment": Text(f"{state_of:%Y-%m-%d %H:%M}", f"{state_of:%H:%M %d/%m/%Y}")}


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
            "start the database, or give the file back; the worker goes on by itself",
            "hãy khởi động lại cơ sở dữ liệu hoặc trả tệp về chỗ cũ; tiến trình sẽ tự chạy tiếp",
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
        title=Text("no other store is in use for the agency", "không có kho dữ liệu khác đang dùng cho đơn vị"),
        sentence=Text(
            "a program works for the agency with another store now ({database}, seen at {place}): this one may not "
            "work with the hub",
            "có chương trình đang làm việc cho đơn vị với kho dữ liệu khác ({database}, thấy tại {place}): chương "
            "trình dùng kho này không được làm việc với trục",
        ),
        cure=Text(
            "use one store: give every program of the agency the same [store] url, and end the one that has another",
            "hãy dùng chung một kho: đặt cùng [store] url cho mọi chương trình của đơn vị và dừng chương trình dùng "
            "kho khác",
        ),
        find=_find_other_store,
    ),
    Check(
        code="CHK-UNKNOWN-DOCUMENTS",
        severity=CheckSeverity.WARN,
        title=Text(
            "recipients report only on documents of this store", "nơi nhận chỉ báo về văn bản có trong kho dữ liệu này"
        ),
        sentence=Text(
            "recipients reported on {count} documents in 30 days that this store never sent, first {document}: another "
            "store is used for the agency, or this one was restored",
            "trong 30 ngày, nơi nhận báo trạng thái về {count} văn bản mà kho này không gửi, đầu tiên là {document}: "
            "đơn vị đang dùng kho khác, hoặc kho này được khôi phục từ bản sao lưu",
        ),
        cure=Text(
            "look for another machine that sends for the agency, and give both one store; after a restore send these "
            "documents again with the same ids",
            "hãy tìm máy khác đang gửi thay đơn vị và dùng chung một kho; nếu vừa khôi phục, hãy gửi lại các văn bản "
            "đó với cùng mã định danh",
        ),
        find=_find_unknown_documents,
        is_slow=True,
    ),
    Check(
        code="CHK-RESTORING",
        severity=CheckSeverity.WARN,
        title=Text("no restore is under way", "không có việc khôi phục đang dở"),
        sentence=Text(
            "the store was restored to its state of {moment} (Vietnam time), and that is not caught up with",
            "kho dữ liệu được khôi phục về thời điểm {moment} (giờ Việt Nam) và chưa xử lý xong",
        ),
        cure=Text(
            "run edoc restored, do what it says, then edoc restored --done",
            "hãy chạy edoc restored, làm theo hướng dẫn, rồi chạy edoc restored --done",
        ),
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
        title=Text("files with secrets are closed to others", "tệp chứa bí mật không mở cho người khác"),
        sentence=Text(
            "other users of this machine can read {count} files with secrets, {path} first",
            "người dùng khác trên máy đọc được {count} tệp chứa bí mật, đầu tiên là {path}",
        ),
        cure=Text("chmod 600 it, and change the secret", "hãy chạy chmod 600 cho tệp và đổi bí mật"),
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
