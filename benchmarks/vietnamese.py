"""What the tables of figures say in Vietnamese: phrase by phrase, the longest first."""

from __future__ import annotations

import re

PHRASES = {
    # heads, and rows of the machine
    "work": "việc được đo",
    "figure": "số đo",
    "ratio": "tỷ lệ",
    "goal": "mục tiêu",
    "met": "đạt",
    "yes": "có",
    "no": "không",
    "processor": "bộ xử lý",
    "cores": "số lõi",
    "memory": "bộ nhớ",
    "file system": "hệ thống tệp",
    "system": "hệ điều hành",
    "libraries": "thư viện",
    "and": "và",
    # packets
    "build floor": "mức sàn khi tạo",
    "durable floor": "mức sàn ghi bền",
    "read floor": "mức sàn khi đọc",
    "floor with as many files": "mức sàn với cùng số tệp",
    "floor": "mức sàn",
    "one large": "một tệp lớn",
    "build": "tạo",
    "sign": "ký",
    "seal": "niêm phong",
    "write": "ghi",
    "read": "đọc",
    "verify": "kiểm tra",
    "extract": "lấy tệp ra",
    "per MB": "mỗi MB",
    "Seconds by MB": "số giây theo số MB",
    "MiB above the import by MB": "số MiB trên mức chỉ import theo số MB",
    "Milliseconds per MB by attachments of 100 KB": "số mili giây mỗi MB theo số tệp đính kèm 100 KB",
    # sending and receiving
    "fsync of 4 KB on this disk": "fsync 4 KB trên đĩa này",
    "send": "gửi",
    "receive": "nhận",
    "confirm": "xác nhận",
    "list sent": "liệt kê văn bản đi",
    "list received": "liệt kê văn bản đến",
    "thread": "luồng",
    "threads": "luồng",
    "raw": "đo nguyên",
    "net of the hub": "trừ phần của trục",
    "our processor time a document": "thời gian bộ xử lý của ta mỗi văn bản",
    "the hub's processor time a document": "thời gian bộ xử lý của trục mỗi văn bản",
    "written to the disk a document": "ghi xuống đĩa mỗi văn bản",
    "documents in the store": "văn bản trong kho",
    "empty store": "kho rỗng",
    "page of 50": "trang 50 dòng",
    "deliveries in a state": "văn bản đi theo tình trạng",
    "deliveries by number": "văn bản đi theo số",
    "deliveries": "văn bản đi",
    "receipts in a state": "văn bản đến theo tình trạng",
    "receipts without statuses": "văn bản đến, không kèm trạng thái",
    "receipts": "văn bản đến",
    "rows": "bản ghi",
    "what its CPU time allows on one processor": "mức mà thời gian CPU cho phép trên một bộ xử lý",
    "CPU of the receiver for each": "CPU của bên nhận cho mỗi văn bản",
    "CPU of the mock hub for each": "CPU của trục giả lập cho mỗi văn bản",
    "peak memory of the receiver": "bộ nhớ cao nhất của bên nhận",
    # the client, and the start
    "one after the other": "lần lượt",
    "bare httpx": "httpx trần",
    "/s of CPU": "/s của CPU",
    "fetch 300 MB to a file": "tải 300 MB vào tệp",
    "memory above one small call": "bộ nhớ trên mức một lời gọi nhỏ",
    "base64 in JSON": "base64 trong JSON",
    "httpx to a file": "httpx vào tệp",
    "SHA-256, file": "SHA-256, tệp",
    "python, nothing imported": "python, không import gì",
    "and first use of": "và lần đầu dùng",
    "open, send one document, close": "mở, gửi một văn bản, đóng",
    # the gateway, and many workers
    "clients": "máy khách",
    "a page of 50 deliveries": "một trang 50 văn bản đi",
    "Connector.queue of": "Connector.queue",
    "no HTTP": "không qua HTTP",
    "post a document of 4 KB": "gửi lên một văn bản 4 KB",
    "post a form of 20 MB": "gửi lên một biểu mẫu 20 MB",
    "stored and signed": "lưu và ký",
    "half of the clients' posts took less than": "một nửa số lần gửi lên xong trong vòng",
    "95 of 100 posts took less than": "95 trên 100 lần gửi lên xong trong vòng",
    "workers": "worker",
    "hub at hand": "trục ngay trên máy",
    "hub": "trục",
    "s away": "s mới trả lời",
    "machine": "máy bận",
    " busy": "",
    "one worker": "một worker",
    # below the tables
    "in all": "tổng cộng",
    "a quick look": "đo nhanh",
    "This failed": "Phần này không đo được",
}
NAMES = frozenset(
    {
        "httpx", "lxml", "pydantic", "xmlsec", "signxml", "python", "edoc", "edoc_connector", "import", "help", "livez",
        "fsync", "worker", "MB", "MiB", "KB", "KiB", "ms", "s", "CPU", "JSON", "HTTP", "SHA", "base64", "p50", "p95",
        "Connector", "queue", "HubClient", "AsyncHubClient", "Document", "downloadEdoc", "getEdoc",
    }
)  # fmt: skip
"""Words that stay as they are."""

_PHRASE = re.compile(r"(?<![\w.])(" + "|".join(sorted(map(re.escape, PHRASES), key=len, reverse=True)) + r")(?!\w)")
_NUMBER = re.compile(r"(?<![\w.])\d[\d.,]*\d(?![\w-])")
_SWAPPED = str.maketrans(".,", ",.")


def translate(text: str) -> str:
    """Say a cell, or the line below a table, in Vietnamese: phrases, and numbers with a comma before decimals."""
    return translate_number(_PHRASE.sub(lambda found: PHRASES[found[1]], text))


def translate_number(text: str) -> str:
    """Write the numbers of a text with a comma before decimals, and points between thousands."""
    return _NUMBER.sub(lambda found: found[0].translate(_SWAPPED), text)


def find_untranslated(text: str) -> set[str]:
    """Find the English words of a text that would stay as they are, and are no names."""
    rest = _PHRASE.sub(" ", text)
    return set(re.findall(r"[A-Za-z]\w*", rest)) - NAMES
