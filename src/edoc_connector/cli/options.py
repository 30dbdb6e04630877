"""Options that say where it is to be learnt whether certificates were revoked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..signing import Revocation

CrlOption = Annotated[
    list[str] | None,
    typer.Option(
        "--crl",
        metavar="FILE|URL",
        help="A revocation list, PEM or DER: a file, a folder or an address; repeat it. "
        "/ Danh sách thu hồi: tệp, thư mục hoặc địa chỉ; dùng nhiều lần.",
    ),
]
OcspOption = Annotated[
    str | None,
    typer.Option("--ocsp", metavar="URL", help="The OCSP responder to ask. / Máy chủ OCSP để hỏi."),
]
HostOption = Annotated[
    list[str] | None,
    typer.Option(
        "--revocation-host",
        metavar="HOST",
        help="Host whose addresses in certificates may be fetched; repeat it. "
        "/ Máy chủ mà địa chỉ ghi trong chứng thư số được phép truy cập; dùng nhiều lần.",
    ),
]
SoftOption = Annotated[
    bool,
    typer.Option(
        "--soft-revocation",
        help="Only report where nothing can be learnt about revocation. "
        "/ Chỉ thông báo khi không có thông tin thu hồi.",
    ),
]


def build_revocation(crl: list[str] | None, ocsp: str | None, hosts: list[str] | None, *, soft: bool) -> Revocation:
    """What the options ask for: lists, answers, or either where both may be had; nothing given, nothing checked."""
    from ..signing import Revocation, RevocationMode

    if not (crl or ocsp or hosts):
        return Revocation()
    mode = RevocationMode.EITHER if hosts or (crl and ocsp) else RevocationMode.CRL if crl else RevocationMode.OCSP
    lists = crl or []
    addresses = [one for one in lists if one.startswith(("http://", "https://"))]
    return Revocation(
        mode=mode,
        soft=soft,
        crl_files=tuple(Path(one) for one in lists if one not in addresses),
        crl_urls=tuple(addresses),
        ocsp_url=ocsp,
        hosts=frozenset(hosts or ()),
    )
