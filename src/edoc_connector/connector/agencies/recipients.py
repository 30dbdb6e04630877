"""Recipients judged by the directory before anything is stored: an unknown code is warned of, an ended one refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..._core import Text, get_logger
from ...edxml import Document, OrganId, Organization, Problem
from ...errors import RecipientEnded
from ...store import DeliveryRow, Tx
from .._context import ConnectorContext
from .messages import describe_ended, describe_refusal, describe_unknown
from .records import AgencyRecord, RecipientCheck, RecipientKind

log = get_logger("edoc_connector.connector.agencies")

_CLAUSE = "directory of agencies"


def check_codes(tx: Tx, context: ConnectorContext, codes: Sequence[str]) -> tuple[RecipientCheck, ...]:
    """Judge codes of recipients by the directory.

    Args:
        tx: a transaction.
        context: whose directory it is.
        codes: the codes, in any spelling.
    """
    values = {code: OrganId.parse(code).value for code in codes}
    rows = tx.directory.load(context.agency, set(values.values()))
    absent = _find_kind_of_absent(tx, context) if len(rows) < len(set(values.values())) else RecipientKind.UNKNOWN
    today = tx.directory.today
    checks = []
    for code, value in values.items():
        row = rows.get(value)
        if row is None:
            checks.append(RecipientCheck(code=code, kind=absent))
        elif not row.has_ended(today):
            checks.append(RecipientCheck(code=code, kind=RecipientKind.KNOWN, name=row.name))
        else:
            heir = tx.directory.find_heir(context.agency, row.code)
            choices = tx.directory.list_heirs(context.agency, row.code) if heir is None else []
            checks.append(
                RecipientCheck(
                    code=code,
                    kind=RecipientKind.ENDED,
                    name=row.name,
                    valid_to=row.valid_to,
                    heir=AgencyRecord.from_row(heir, today) if heir is not None else None,
                    choices=tuple(AgencyRecord.from_row(one, today) for one in choices),
                )
            )
    return tuple(checks)


def address_document(
    tx: Tx, context: ConnectorContext, document: Document, *, existing: DeliveryRow | None, use_successors: bool
) -> Document:
    """Address a document to agencies that are there.

    A document that is stored already, to the same recipients, stays as it is: it is the same delivery, in flight.

    Args:
        tx: a transaction.
        context: whose directory it is.
        document: the document.
        existing: its delivery; None where nothing is stored under its id.
        use_successors: whether the heir takes the place of a recipient that ended.

    Returns:
        The document, with heirs in the place of recipients that ended where that is wished.

    Raises:
        RecipientEnded: a recipient ended, and no heir may take its place, or none is known.
    """
    checks = check_codes(tx, context, [recipient.id for recipient in document.recipients])
    ended = {check.code: check for check in checks if check.kind is RecipientKind.ENDED}
    for check in checks:
        if check.kind is RecipientKind.UNKNOWN:
            log.warning("%s", describe_unknown(check.code).en)
    if not ended or (existing is not None and _goes_to_same(tx, existing, document)):
        return document
    if not use_successors or any(check.heir is None for check in ended.values()):
        raise _build_error(document, ended)
    return document.model_copy(update={"recipients": _replace_ended(document.recipients, ended)})


def replace_with_heirs(context: ConnectorContext, recipients: Sequence[Organization]) -> tuple[Organization, ...]:
    """Put heirs in the place of recipients that ended, where the directory names one; the others stay."""
    with context.store.snapshot() as tx:
        checks = check_codes(tx, context, [recipient.id for recipient in recipients])
    return _replace_ended(recipients, {check.code: check for check in checks if check.heir is not None})


def _find_kind_of_absent(tx: Tx, context: ConnectorContext) -> RecipientKind:
    """Find what it means that the directory has not a code."""
    lists_all = not context.capabilities.directory_scope and tx.directory.is_taken_over(context.agency)
    return RecipientKind.UNKNOWN if lists_all else RecipientKind.NOT_JUDGED


def _goes_to_same(tx: Tx, row: DeliveryRow, document: Document) -> bool:
    """Tell whether a delivery is to the recipients of a document."""
    stored = {recipient.organ_id for recipient in tx.recipients.load([row.id])[row.id]}
    return stored == {recipient.id for recipient in document.recipients}


def _replace_ended(recipients: Sequence[Organization], ended: Mapping[str, RecipientCheck]) -> tuple[Organization, ...]:
    """Put heirs in the place of recipients that ended, each once: several may have gone into one."""
    replaced: dict[str, Organization] = {}
    for recipient in recipients:
        check = ended.get(recipient.id)
        if check is not None and check.heir is not None:
            recipient = Organization(id=check.heir.code, name=check.heir.name or recipient.name)
            log.warning("recipient %s ended: the document goes to %s", check.code, recipient.id)
        replaced.setdefault(OrganId.parse(recipient.id).value, recipient)
    return tuple(replaced.values())


def _build_error(document: Document, ended: Mapping[str, RecipientCheck]) -> RecipientEnded:
    problems = [
        _build_problem(number, ended[recipient.id])
        for number, recipient in enumerate(document.recipients)
        if recipient.id in ended
    ]
    en, vi = (" ".join(texts) for texts in zip(*((one.message, one.message_vi) for one in problems), strict=True))
    heirs = {code: check.heir.code if check.heir is not None else None for code, check in ended.items()}
    text = describe_refusal(Text(en, vi), has_heirs=all(heirs.values()))
    choices = {code: tuple(one.code for one in check.choices) for code, check in ended.items() if check.choices}
    return RecipientEnded(text.en, vi=text.vi, problems=problems, heirs=heirs, choices=choices)


def _build_problem(number: int, check: RecipientCheck) -> Problem:
    text = describe_ended(check)
    return Problem(
        code="DIR-ENDED",
        field=f"recipients[{number}].id",
        xpath=f"To[{number + 1}]/OrganId",
        value=check.code,
        message=text.en,
        message_vi=text.vi,
        clause=_CLAUSE,
    )
