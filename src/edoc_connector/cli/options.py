"""Options that several commands share, and the values made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError

if TYPE_CHECKING:
    from ..signing import Revocation, VerifyPolicy

CONFIG = Path("edoc.toml")
ConfigOption = Annotated[
    Path,
    typer.Option("--config", "-c", metavar="FILE", envvar="EDOC_CONFIG", help="The configuration. / Tệp cấu hình."),
]
AgencyOption = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Which agency, where the configuration has several. / Mã định danh, nếu tệp cấu hình có nhiều đơn vị.",
    ),
]
SenderOption = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Whose packet is meant, where several senders used its id. / Mã nơi gửi, nếu nhiều nơi gửi dùng chung mã.",
    ),
]
QueueOption = Annotated[
    bool, typer.Option("--queue", help="Leave it to the worker; the hub is not called. / Xếp hàng, để worker gửi sau.")
]
ListenOption = Annotated[
    str | None,
    typer.Option(metavar="[HOST:]PORT", help="Instead of the configuration's. / Địa chỉ mở cổng, thay cho cấu hình."),
]
WorkerOption = Annotated[
    bool | None,
    typer.Option(
        "--worker/--no-worker",
        help="Whether to send and receive too, instead of the configuration's. / Có tự gửi, nhận hay không.",
    ),
]
MinutesOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Where the minutes go; else a new file here. / Tệp biên bản."),
]
ByOption = Annotated[str | None, typer.Option(metavar="NAME", help="Who does it; else the user. / Người thực hiện.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON. / In ra JSON.")]
AttachOption = Annotated[
    list[Path] | None,
    typer.Option("--attach", metavar="FILE", help="A file to attach; repeat it. / Tệp đính kèm; dùng nhiều lần."),
]
ClassificationOption = Annotated[
    str | None,
    typer.Option(
        "--classification",
        metavar="LEVEL",
        help="Level of a state secret (Mật, Tối mật, Tuyệt mật): the document is refused. "
        "/ Độ mật; văn bản mật bị từ chối.",
    ),
]
KeyPasswordOption = Annotated[
    str | None,
    typer.Option(
        "--key-password",
        metavar="REF",
        help="Where the key's password or PIN is: env:NAME, file:PATH or cmd:… / Nơi lấy mật khẩu của khóa.",
    ),
]
PacketFile = Annotated[Path, typer.Argument(metavar="FILE", help="A packet, .edxml. / Gói tin .edxml.")]
TrustOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--trust",
        metavar="PATH",
        help="Certificates to trust, PEM or DER; a file or a folder. / Chứng thư số tin cậy.",
    ),
]
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


def build_policy(
    trust: list[Path] | None,
    crl: list[str] | None = None,
    ocsp: str | None = None,
    hosts: list[str] | None = None,
    *,
    soft: bool = False,
) -> VerifyPolicy:
    """Build the policy of the options: with `--trust` a signature must lead to a trusted authority.

    Whose certificate it is, a person judges by what is shown: no configuration says so here.

    Args:
        trust: `--trust`, files and folders of certificates.
        crl: `--crl`, files, folders and addresses of revocation lists.
        ocsp: `--ocsp`, the responder's address.
        hosts: `--revocation-host`, hosts that may be asked at the addresses in certificates.
        soft: `--soft-revocation`.

    Raises:
        ConfigError: a certificate or list cannot be read, or revocation is to be checked without `--trust`.
    """
    from ..signing import OthersMode, VerifyPolicy

    revocation = _build_revocation(crl, ocsp, hosts, soft=soft)
    if not trust:
        return VerifyPolicy(revocation=revocation)
    return VerifyPolicy.load(trust, organisations_others=OthersMode.REPORT, revocation=revocation)


def _build_revocation(crl: list[str] | None, ocsp: str | None, hosts: list[str] | None, *, soft: bool) -> Revocation:
    """Build the check for revoked certificates: by lists, by answers, or by either where both may be had."""
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


def build_secret_source(reference: str | None) -> Callable[[str], str | None]:
    """Build the callback that gives a key's password or PIN, fetched when it is asked for.

    A reference in the key's URI (``secret=``, ``pin-source=``) goes before that of the option.

    Args:
        reference: `--key-password`.

    Raises:
        ConfigError: the option holds no reference.
    """
    from ..config import REFERENCE_HINT, SecretRef

    if reference is not None and not SecretRef.is_reference(reference):
        raise ConfigError(f"--key-password: {REFERENCE_HINT.en}", vi=f"--key-password: {REFERENCE_HINT.vi}")

    def resolve_secret(name: str) -> str | None:
        source = name if SecretRef.is_reference(name) else reference
        return None if source is None else SecretRef.parse(source).resolve(Path.cwd()).get_secret_value()

    return resolve_secret
