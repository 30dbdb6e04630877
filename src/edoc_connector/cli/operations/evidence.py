"""The commands evidence: pack the evidence of a document, check a pack, move old entries to files."""

from __future__ import annotations

import dataclasses
import getpass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from typer.core import TyperGroup

from ..._core import Text
from ...errors import ConfigError, StoreError, describe_system_error_vi
from ..exchange import find_any_id, open_connector
from ..options import CONFIG, AgencyOption, ByOption, ConfigOption, JsonFlag, MinutesOption
from ..output import ExitCode, print_json, require_free, say

if TYPE_CHECKING:
    from ...connector import ArchivedEvidence, Checked, Connector


class _PackingGroup(TyperGroup):
    """A group that packs and checks where its first word is none of its commands, as before there were others."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name of the command in front where none stands."""
        is_named = bool(args) and (args[0] in self.commands or args[0] in self.get_help_option_names(ctx))
        return super().parse_args(ctx, args if is_named else ["pack", *args])


evidence_commands = typer.Typer(
    name="evidence",
    cls=_PackingGroup,
    help="Pack the evidence of a document: `edoc evidence DOCUMENT-ID --out FILE.zip`; check a pack: `edoc evidence "
    "--verify FILE.zip`; move old entries to files: `edoc evidence archive`. / Đóng gói bằng chứng của văn bản: "
    "`edoc evidence MÃ-VĂN-BẢN --out TỆP.zip`; kiểm tra gói: `edoc evidence --verify TỆP.zip`; chuyển mục cũ sang tệp: "
    "`edoc evidence archive`.",
)


@evidence_commands.command("archive")
def archive_evidence(
    before: Annotated[
        str | None, typer.Option(metavar="2025-01-01", help="The day from before which entries go. / Trước ngày này.")
    ] = None,
    restore: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Put back what is in this file. / Đưa lại các mục trong tệp.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Really move; else only count. / Thực hiện chuyển; nếu không chỉ đếm.")
    ] = False,
    minutes: MinutesOption = None,
    by: ByOption = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
) -> None:
    """Move old entries to files in [evidence] archives, or put them back. / Chuyển mục cũ sang tệp, hoặc đưa lại.

    Hashes and places stay in the database, and entries are read from the files from then on. Those about documents that
    are held stay. Of what was moved there are minutes. / Mã băm và vị trí vẫn ở trong cơ sở dữ liệu; từ đó các mục được
    đọc từ tệp. Mục về văn bản đang được giữ thì ở lại. Có biên bản về những gì đã chuyển.
    """
    if (before is None) == (restore is None):
        raise ConfigError(
            "give --before DATE to move old entries to a file, or --restore FILE to put them back.",
            vi="hãy ghi --before NGÀY để chuyển các mục cũ sang tệp, hoặc --restore TỆP để đưa lại.",
        )
    if minutes is not None:
        require_free(minutes)
    day = _parse_day(before) if before is not None else None
    who = by or getpass.getuser()
    with open_connector(config, agency, Text("moving evidence", "đang chuyển bằng chứng")) as connector:
        if day is None:
            _restore(connector, restore or Path(), by=who)
        else:
            _print_archived(connector.archive_evidence(day, dry_run=not yes, by=who), minutes)


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"'{text}' is no day; write it as 2025-01-31.", vi=f"'{text}' không phải ngày; ví dụ 2025-01-31."
        ) from None


def _restore(connector: Connector, file: Path, *, by: str) -> None:
    restored = connector.restore_evidence(file, by=by)
    say(f"{restored} entries put back from {file}", f"đã đưa lại {restored} mục")


def _print_archived(done: ArchivedEvidence, minutes: Path | None) -> None:
    if done.minutes:
        write_minutes(done.minutes, minutes)
    outcome = (
        Text("would be moved (--yes does it)", "sẽ được chuyển (thêm --yes để chuyển)")
        if done.dry_run
        else Text("moved", "đã chuyển")
    )
    say(f"{done.entries} entries, {done.size} bytes: {outcome.en}", f"{done.entries} mục: {outcome.vi}")
    for file in done.files:
        say(f"written: {file}", f"đã ghi: {file}")
    if done.held:
        say(f"{done.held} entries stay: their documents are held", f"giữ lại {done.held} mục: văn bản đang bị giữ")


def write_minutes(text: str, path: Path | None) -> None:
    """Write the minutes of a removal; where that fails they are shown, since what they tell is done.

    Args:
        text: the minutes.
        path: the file; left out, a new one in the folder of the call.

    Raises:
        StoreError: it cannot be written.
    """
    path = path or Path(f"bien-ban-{datetime.now():%Y%m%d-%H%M%S-%f}.txt")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        typer.echo(text)
        raise StoreError(
            f"the minutes could not be written to {path}: {error.strerror}. Keep what is shown above.",
            vi=f"không ghi được biên bản vào {path}: {describe_system_error_vi(error)}. Hãy lưu nội dung in ở trên.",
        ) from error
    say(f"the minutes are in {path}", f"biên bản: {path}")


@evidence_commands.command("pack")
def evidence(
    document_id: Annotated[
        str | None, typer.Argument(metavar="DOCUMENT-ID|NUMBER", help="Sent or received. / Mã văn bản.")
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
    organisation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE=ENTRY",
            help=escape(
                "Whose certificate it is, as in [receive.organisations]: H29.05=tax:0400260612. / "
                "Chứng thư của đơn vị, như trong [receive.organisations]."
            ),
        ),
    ] = None,
    checkpoints: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Checkpoints that were kept, which the pack must agree with. "
            "/ Thư mục điểm kiểm chứng đã lưu để đối chiếu.",
        ),
    ] = None,
    config: ConfigOption = CONFIG,
    agency: AgencyOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Pack the evidence of a document, or check such a pack. / Đóng gói bằng chứng của văn bản, hoặc kiểm tra gói đó.

    With --verify: exit code 0, all is as it was packed, and the agency signed it; 1, something is not, and each thing
    is named; 4, all is, but nobody signed, or nothing shows that it was the agency; 3, all is, but the signer is not
    trusted. / Với --verify: mã kết thúc 0, gói nguyên vẹn và do đơn vị ký; 1, có nội dung không còn như lúc đóng gói,
    từng điều được nêu; 4, gói nguyên vẹn nhưng không ai ký, hoặc không có gì cho thấy là của đơn vị; 3, gói nguyên vẹn
    nhưng người ký không đáng tin cậy.
    """
    if verify is not None:
        organisations = _parse_organisations(organisation or [])
        _check_pack(verify, trust or [], organisations, checkpoints, as_json=as_json)
    elif document_id is not None and out is not None:
        require_free(out)
        with open_connector(config, agency) as connector:
            packed = connector.evidence(find_any_id(connector, document_id), out=out)
        say(f"the evidence of {document_id} is in {packed}", f"bằng chứng của {document_id} nằm trong {packed}")
    else:
        raise ConfigError(
            "give DOCUMENT-ID --out FILE.zip to pack evidence, or --verify FILE.zip to check it.",
            vi="hãy ghi MÃ-VĂN-BẢN --out TỆP.zip để đóng gói, hoặc --verify TỆP.zip để kiểm tra.",
        )


def _parse_organisations(entries: list[str]) -> dict[str, tuple[str, ...]]:
    organisations: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        code, separator, value = entry.partition("=")
        if not separator:
            raise ConfigError(
                f"--organisation {entry}: write CODE=ENTRY, e.g. H29.05=tax:0400260612.",
                vi=f"--organisation {entry}: hãy ghi MÃ=GIÁ-TRỊ, ví dụ H29.05=tax:0400260612.",
            )
        organisations[code] = (*organisations.get(code, ()), value)
    return organisations


def _check_pack(
    path: Path,
    trust: list[Path],
    organisations: dict[str, tuple[str, ...]],
    checkpoints: Path | None,
    *,
    as_json: bool,
) -> None:
    from ...connector import check_pack
    from ...signing import VerifyMode, VerifyPolicy

    anchors = VerifyPolicy.load(trust, mode=VerifyMode.ANY).anchors
    try:
        checked = check_pack(path, anchors=anchors, organisations=organisations, checkpoints=checkpoints)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}", vi=f"không đọc được {path}: {describe_system_error_vi(error)}"
        ) from error
    if as_json:
        print_json(dataclasses.asdict(checked))
    else:
        _print_checked(checked)
    if code := _choose_exit_code(checked):
        raise typer.Exit(code)


def _choose_exit_code(checked: Checked) -> ExitCode:
    if checked.problems:
        return ExitCode.FAILED
    if checked.trusted is False:
        return ExitCode.UNVERIFIED
    is_known = checked.signed_by is not None and checked.is_agency
    return ExitCode.OK if is_known else ExitCode.SIGNER_NOT_JUDGED


def _print_checked(checked: Checked) -> None:
    for one in checked.problems:
        say(f"{one.where}: {one.text}", one.text_vi)
    for name, status in checked.packets:
        say(f"{name}: {status}", f"chữ ký {status}")
    for sha256, why in checked.missing:
        say(f"packet {sha256} is not in the pack: {why}", "gói tin không có trong gói bằng chứng")
    if checked.head:
        head = _format_head(checked)
        say(head.en, head.vi)
        signer = _format_signer(checked)
        say(signer.en, signer.vi)
    verdict = _format_verdict(checked)
    say(verdict.en, verdict.vi)


def _format_head(checked: Checked) -> Text:
    title = f"{checked.agency}, {checked.document_id}: {checked.entries} entries"
    if checked.form == 1:
        return Text(
            f"{title}, head of the chain {checked.head}", f"{checked.entries} mục, mã băm cuối chuỗi {checked.head}"
        )
    stamp = f", time-stamped {checked.stamped_at:%Y-%m-%d %H:%M} UTC" if checked.stamped_at else ""
    stamp_vi = f", dấu thời gian {checked.stamped_at:%H:%M %d/%m/%Y} UTC" if checked.stamped_at else ""
    return Text(
        f"{title} of {checked.size} in the log, head {checked.head}{stamp}; {checked.kept} kept checkpoints agree",
        f"{checked.entries} trong số {checked.size} mục của nhật ký, gốc {checked.head}{stamp_vi}; "
        f"{checked.kept} điểm kiểm chứng lưu giữ trùng khớp",
    )


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
            "NOBODY signed the head: compare it with the one the agency noted elsewhere",
            "KHÔNG có chữ ký: hãy đối chiếu mã băm cuối với bản đơn vị đã lưu nơi khác",
        )
    trusted = {True: "", False: ", NOT trusted", None: ", whom to trust was not said (--trust)"}[checked.trusted]
    trusted_vi = {True: "", False: ", KHÔNG tin cậy", None: ", chưa nêu tổ chức tin cậy (--trust)"}[checked.trusted]
    if checked.trusted and not checked.is_agency:
        trusted = f"; nothing shows that this is {checked.agency} (--organisation, --checkpoints)"
        trusted_vi = f"; chưa có căn cứ để xác định đó là {checked.agency} (--organisation, --checkpoints)"
    return Text(f"signed by {checked.signed_by}{trusted}", f"ký bởi {checked.signed_by}{trusted_vi}")
