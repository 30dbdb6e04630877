"""The command verify: checks a packet's signature and seal."""

from __future__ import annotations

from ..._core import Text
from ..errors import raise_wrong_option
from ..options import CrlOption, HostOption, JsonFlag, OcspOption, PacketFile, SoftOption, TrustOption, build_policy
from ..output import print_json, show_progress
from .files import read_packet
from .verdicts import describe_verification, exit_by_verdict, print_signer, print_verification


def verify(
    file: PacketFile,
    trust: TrustOption = None,
    crl: CrlOption = None,
    ocsp: OcspOption = None,
    revocation_host: HostOption = None,
    soft_revocation: SoftOption = False,
    as_json: JsonFlag = False,
) -> None:
    """Check a packet's signature and seal. / Kiểm tra chữ ký và niêm phong của gói tin.

    Exit code 0: VALID, by a trusted signer; 4: VALID, but the signer was not judged: without --trust anybody can make a
    certificate with any name; 1: INVALID; 3: UNSIGNED or UNVERIFIABLE; 2: cannot be read, or an option is wrong. / Mã
    kết thúc 0: VALID, người ký đáng tin cậy; 4: VALID nhưng chưa xét người ký, vì không có --trust thì ai cũng tạo được
    chứng thư với tên bất kỳ; 1: INVALID; 3: UNSIGNED hoặc UNVERIFIABLE; 2: không đọc được, hoặc tùy chọn sai.
    """
    from ...signing import verify as check

    with raise_wrong_option():
        policy = build_policy(trust, crl, ocsp, revocation_host, soft=soft_revocation)
    with show_progress(Text("verifying", "đang kiểm tra")):
        verification = check(read_packet(file), policy)
    if as_json:
        print_json(describe_verification(verification))
    else:
        print_verification(describe_verification(verification))
        print_signer(verification)
    exit_by_verdict(verification.status, verification.trusted)
