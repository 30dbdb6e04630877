"""Verdicts on signatures: described for JSON, printed for people, and as exit codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ..._core import Text, escape_line, format_name
from ...errors import choose_words
from ..output import ExitCode

if TYPE_CHECKING:
    from ...pdf import PdfSignature
    from ...signing import SigningFinding, Verification, VerificationStatus

_PROVED = Text("proved", "đã chứng minh")
_UNSEALED = Text("unsealed, nobody signed it", "không niêm phong, không ai ký")
_TRUST_LABELS = {
    True: Text("trusted", "tin cậy"),
    False: Text("NOT trusted", "KHÔNG tin cậy"),
    None: Text("signer not checked", "chưa xác minh người ký"),
}


def describe_verification(verification: Verification) -> dict[str, Any]:
    """Describe the result of checking signature and seal, for JSON."""
    return {
        "status": verification.status.name,
        "reason": verification.reason,
        "signer": verification.signer,
        "method": verification.method,
        "explanation": verification.explanation,
        "explanation_vi": verification.explanation_vi,
        "trusted": verification.trusted,
        "signed_at": verification.signed_at and verification.signed_at.isoformat(),
        "timestamped": verification.timestamped,
        "judged_at": verification.judged_at.isoformat(),
        "algorithms": list(verification.algorithms),
        "chain": describe_certificates(verification),
        "findings": describe_findings(verification.findings),
        "sealed": list(verification.sealed),
        "unsealed": list(verification.unsealed),
    }


def describe_certificates(result: Verification | PdfSignature) -> list[str]:
    """List the subjects of the chain as far as it is known, the signer's first; for JSON."""
    alone = () if result.certificate is None else (result.certificate,)
    return [format_name(one.subject) for one in result.chain or alone]


def describe_findings(findings: Iterable[SigningFinding]) -> list[dict[str, str]]:
    """Describe remarks about a signature, for JSON."""
    return [{"code": one.code, "message": one.message, "message_vi": one.message_vi} for one in findings]


def print_verification(signature: dict[str, Any]) -> None:
    """Print the result of checking signature and seal, as `describe_verification` gives it."""
    signer = f" — {signature['signer']}" if signature["signer"] else ""
    trust = f"; {_TRUST_LABELS[signature['trusted']]}" if signature["status"] == "VALID" else ""
    typer.echo(escape_line(f"{signature['status']} ({signature['reason']}){signer}{trust}"))
    print_words(signature["explanation"], signature["explanation_vi"])
    for one in signature["findings"]:
        print_words(one["message"], one["message_vi"], label=f"{one['code']}: ")
    for line in format_proof(signature):
        typer.echo(escape_line(f"  {line}"))


def print_signer(result: Verification | PdfSignature) -> None:
    """Print who signed, the chain of certificates, and whether it is trusted; nothing where nobody is known."""
    from ...signing import describe_signer

    signer = describe_signer(result)
    if signer is not None:
        print_words(signer.en, signer.vi)


def print_words(en: str, vi: str, *, label: str = "") -> None:
    """Print words below a verdict, a line for each language that is spoken; the first one with a label."""
    for line in (label + choose_words(escape_line(en), escape_line(vi))).split("\n"):
        typer.echo(f"  {line}")


def format_proof(signature: dict[str, Any]) -> list[str]:
    """Format what was proved, and what nobody signed; nothing where the packet is not VALID."""
    if signature["method"] == "packet":
        whole = Text("the whole packet as it came", "toàn bộ gói tin như nhận được")
        return [f"{_PROVED}: {whole}"]
    if signature["method"] != "seal":
        return []
    files = sum(name.startswith("Attachment.") and name.count(".") == 1 for name in signature["sealed"])
    fields = len(signature["sealed"]) - files
    counts = Text(f"{fields} fields, {files} attachments", f"{fields} trường, {files} tệp đính kèm")
    return [
        f"{_PROVED}: {counts}",
        f"{_UNSEALED}: {', '.join(signature['unsealed']) or '-'}",
    ]


def format_verdict(signature: dict[str, Any]) -> str:
    """Format the status in a word, with the trust in the signer where it is VALID."""
    if signature["status"] != "VALID":
        return str(signature["status"])
    return f"VALID ({_TRUST_LABELS[signature['trusted']]})"


def exit_by_verdict(status: VerificationStatus, trusted: bool | None) -> NoReturn:
    """End the command: 0 for VALID by a trusted signer, 4 by one that was not judged, 1 for INVALID, 3 for the rest.

    Args:
        status: the verdict.
        trusted: whether the signers lead to a trusted authority; None where that was not judged.
    """
    valid = ExitCode.OK if trusted else ExitCode.SIGNER_NOT_JUDGED
    codes = {"VALID": valid, "INVALID": ExitCode.FAILED}
    raise typer.Exit(codes.get(status.name, ExitCode.UNVERIFIED))
