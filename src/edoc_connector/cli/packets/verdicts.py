"""Verdicts on signatures: described for JSON, printed for people, and as exit codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from ..._core import escape_line
from ..output import ExitCode

if TYPE_CHECKING:
    from ...signing import SigningFinding, Verification, VerificationStatus

_TRUST_LABELS = {
    True: "trusted / tin cậy",
    False: "NOT trusted / KHÔNG tin cậy",
    None: "signer not checked / chưa xác minh người ký",
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
        "chain": [one.subject.rfc4514_string() for one in verification.chain],
        "findings": describe_findings(verification.findings),
        "unsealed": list(verification.unsealed),
    }


def describe_findings(findings: Iterable[SigningFinding]) -> list[dict[str, str]]:
    """Describe remarks about a signature, for JSON."""
    return [{"code": one.code, "message": one.message, "message_vi": one.message_vi} for one in findings]


def print_verification(signature: dict[str, Any]) -> None:
    """Print the result of checking signature and seal, as `describe_verification` gives it."""
    signer = f" — {signature['signer']}" if signature["signer"] else ""
    trust = f"; {_TRUST_LABELS[signature['trusted']]}" if signature["status"] == "VALID" else ""
    typer.echo(escape_line(f"{signature['status']} ({signature['reason']}){signer}{trust}"))
    for words in (signature["explanation"], signature["explanation_vi"]):
        typer.echo(escape_line(f"  {words}"))
    for one in signature["findings"]:
        typer.echo(escape_line(f"  {one['code']}: {one['message']}"))
        typer.echo(escape_line(f"  {one['message_vi']}"))


def format_verdict(signature: dict[str, Any]) -> str:
    """Format the status in a word, with the trust in the signer where it is VALID."""
    if signature["status"] != "VALID":
        return str(signature["status"])
    return f"VALID ({_TRUST_LABELS[signature['trusted']]})"


def exit_by_status(status: VerificationStatus) -> NoReturn:
    """End the command: 0 for VALID, 1 for INVALID, 3 for the rest."""
    codes = {"VALID": ExitCode.OK, "INVALID": ExitCode.FAILED}
    raise typer.Exit(codes.get(status.name, ExitCode.UNVERIFIED))
