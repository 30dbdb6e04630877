"""The command evidence: packs the evidence of a document, and checks such a pack."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..._core import Text
from ...errors import ConfigError, describe_system_error_vi
from ..exchange import open_connector
from ..options import CONFIG, AgencyOption, ConfigOption, JsonFlag
from ..output import ExitCode, print_json, say

if TYPE_CHECKING:
    from ...connector import Checked


def evidence(
    document_id: Annotated[
        str | None, typer.Argument(metavar="DOCUMENT-ID", help="Sent or received. / Mã văn bản.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.zip", help="Where to pack it. / Tệp zip cần tạo.")] = None,
    verify: Annotated[
        Path | None,
        typer.Option(metavar="FILE.zip", help="Check a pack; needs no store. / Kiểm tra gói, không cần kho dữ liệu."),
    ] = None,
    trust: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Trusted authorities' certificates. / Chứng thư của tổ chức tin cậy."),
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Pack the evidence of a document, or check such a pack. / Đóng gói bằng chứng của văn bản, hoặc kiểm tra gói đó.

    With --verify: exit code 0, all is as it was packed; 1, something is not, and each thing is named; 4, all is, but
    who signed was not judged (no --trust); 3, all is, but the signer is not trusted.
    """
    if verify is not None:
        _check_pack(verify, trust or [], as_json=as_json)
    elif document_id is not None and out is not None:
        _require_free(out)
        with open_connector(config, agency) as connector:
            packed = connector.evidence(document_id, out=out)
        say(f"the evidence of {document_id} is in {packed}", f"bằng chứng của {document_id} nằm trong {packed}")
    else:
        raise ConfigError(
            "give DOCUMENT-ID --out FILE.zip to pack evidence, or --verify FILE.zip to check it.",
            vi="hãy ghi MÃ-VĂN-BẢN --out TỆP.zip để đóng gói, hoặc --verify TỆP.zip để kiểm tra.",
        )


def _require_free(out: Path) -> None:
    if out.exists():
        raise ConfigError(
            f"{out} is there already, and may be evidence: give another name, or move it away first.",
            vi=f"{out} đã tồn tại và có thể là bằng chứng: hãy ghi tên khác hoặc chuyển tệp đó đi trước.",
        )
    if not out.absolute().parent.is_dir():
        raise ConfigError(
            f"{out} cannot be written: its folder is not there. Make it, or give another path.",
            vi=f"không ghi được {out}: thư mục không tồn tại. Hãy tạo thư mục hoặc ghi đường dẫn khác.",
        )


def _check_pack(path: Path, trust: list[Path], *, as_json: bool) -> None:
    from ...connector import check_pack
    from ...signing import VerifyMode, VerifyPolicy

    anchors = VerifyPolicy.load(trust, mode=VerifyMode.ANY).anchors
    try:
        checked = check_pack(path, anchors=anchors)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", vi=f"không đọc được {path}: {describe_system_error_vi(error)}"
        ) from error
    if as_json:
        print_json(dataclasses.asdict(checked))
    else:
        _print_checked(checked)
    if checked.problems:
        raise typer.Exit(ExitCode.FAILED)
    if checked.signed_by is not None and not checked.trusted:
        raise typer.Exit(ExitCode.SIGNER_NOT_JUDGED if checked.trusted is None else ExitCode.UNVERIFIED)


def _print_checked(checked: Checked) -> None:
    for one in checked.problems:
        say(f"{one.where}: {one.text}", one.text_vi)
    for name, status in checked.packets:
        say(f"{name}: {status}", f"chữ ký {status}")
    for sha256, why in checked.missing:
        say(f"packet {sha256} is not in the pack: {why}", "gói tin không có trong gói bằng chứng")
    if checked.head:
        say(
            f"{checked.agency}, {checked.document_id}: {checked.entries} entries, head of the chain {checked.head}",
            f"{checked.entries} mục, mã băm cuối chuỗi {checked.head}",
        )
        signer = _format_signer(checked)
        say(signer.en, signer.vi)
    verdict = _format_verdict(checked)
    say(verdict.en, verdict.vi)


def _format_verdict(checked: Checked) -> Text:
    if checked.problems:
        wrong = len(checked.problems)
        return Text(f"{wrong} problem{'' if wrong == 1 else 's'}", f"có {wrong} lỗi")
    if checked.missing:
        missing_count = len(checked.missing)
        return Text(
            f"what is in the pack is as it was packed; {missing_count} "
            f"packet{' is' if missing_count == 1 else 's are'} not in it, and "
            "only the hashes prove what was in them",
            f"những gì có trong gói bằng chứng đều nguyên vẹn; thiếu {missing_count} gói tin, chỉ còn mã băm "
            "làm bằng chứng",
        )
    return Text("all is as it was packed", "nguyên vẹn")


def _format_signer(checked: Checked) -> Text:
    if checked.signed_by is None:
        return Text(
            "nobody signed the head: compare it with the one the agency noted elsewhere",
            "chuỗi không có chữ ký: hãy đối chiếu mã băm cuối với bản đơn vị đã lưu nơi khác",
        )
    trusted = {True: "", False: ", NOT trusted", None: ", whom to trust was not said (--trust)"}[checked.trusted]
    trusted_vi = {True: "", False: ", KHÔNG tin cậy", None: ", chưa nêu tổ chức tin cậy (--trust)"}[checked.trusted]
    return Text(f"signed by {checked.signed_by}{trusted}", f"ký bởi {checked.signed_by}{trusted_vi}")
