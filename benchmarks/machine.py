"""What the figures were measured on, without names or paths."""

from __future__ import annotations

import os
import platform
import sqlite3
import ssl
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = (
    "httpcore", "h11", "lxml", "xmlsec", "pydantic", "cryptography", "SQLAlchemy", "pybase64", "signxml", "uvicorn",
)  # fmt: skip


def machine() -> dict[str, str]:
    """Name and value of what matters for speed."""
    return {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "memory": _memory(),
        "file system": _file_system(Path(tempfile.gettempdir()).resolve()),
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "OpenSSL": ssl.OPENSSL_VERSION.split(" ")[1],
        "SQLite": sqlite3.sqlite_version,
        "libraries": ", ".join(f"{name} {found}" for name in _LIBRARIES if (found := _version(name))),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "unknown"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _file_system(path: Path) -> str:
    """The kind of the file system that temporary files lie on."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return "unknown"
    kinds = {Path(fields[1]): fields[2] for fields in map(str.split, mounts.read_text().splitlines())}
    return next((kinds[place] for place in (path, *path.parents) if place in kinds), "unknown")
