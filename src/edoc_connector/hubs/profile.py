"""What a hub can do, and what it demands of packets beyond the standard: data, for checks and for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketProfile:
    """Demands of a hub on packets beyond the standard; the defaults demand nothing.

    A document that breaks them is refused before anything of it is stored. Elements that must be there are written
    empty where a document has no value for them; `edxml.PacketForm` says how.

    Args:
        needed_elements: paths of elements below the header that must be there though empty, such as ``To/OrganAdd``.
        has_prefix: whether every element of the envelope must have the prefix ``edXML:``, as the writer gives it.
        status_header: the header's child of a status packet.
        content_from_subject: whether ``Content`` gets the subject where a document has none.
        needs_paper: whether ``Paper`` must be stated; 0, no paper copy follows, where a document does not say.
        needs_attachment: whether a document must have an attachment.
        max_attachment: most bytes of one attachment.
        max_packet: most bytes of a packet.
        code_pattern: regular expression that codes of organisations match as a whole; empty for any.
        code_form: the same in words, English.
        code_form_vi: the same in Vietnamese.
        document_types: values of DocumentType/Type that are taken; none for any.
    """

    needed_elements: tuple[str, ...] = ()
    has_prefix: bool = False
    status_header: Literal["MessageHeader", "Status"] = "MessageHeader"
    content_from_subject: bool = False
    needs_paper: bool = False
    needs_attachment: bool = False
    max_attachment: int | None = None
    max_packet: int | None = None
    code_pattern: str = ""
    code_form: str = ""
    code_form_vi: str = ""
    document_types: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class HubCapabilities:
    """What a hub can do; the defaults are those of ``vxp``.

    Args:
        has_sent_list: whether it tells what it has of ours (`Dialect.sent_state`). Without, an unknown outcome is
            settled by a recipient's status or by a person.
        lists_by_date: whether it lists what came in a window of dates, fetched or not, instead of what waits. Then
            `Dialect.list_waiting` takes ``since``, and the connector keeps a cursor.
        window_days: most days of such a window.
        first_days: days that the first such list looks back.
        has_directory: whether it has a directory.
        tells_directory_changes: whether it tells what changed in it (`ChangingDialect`).
        directory_scope: code of the organisation below which the directory lists; empty where it lists everybody.
        tells_statuses_by_update: whether the codes 01 to 06 are told by a call of the dialect, ``report_status``,
            instead of by packets.
        tells_documents: whether it is asked by code whether it has a new document of ours (`AskingDialect`).
        tells_delivery: whether taking a document means that it is passed on; else a later failure is told to nobody.
        repeats_statuses: whether a status that is sent again has no further effect.
        confirms_all_statuses: whether any confirmation confirms every status that waits. Then all of them are brought
            in before one leaves.
        confirms_arrival: whether a confirmation makes the hub tell the sender 01 by itself. Then no 01 is sent, which
            would come twice.
        status_prefix: begins the docIds of statuses, where the hub numbers documents and statuses apart, and takes the
            one for the other where their numbers are the same; empty where it does not.
        rebuilds_documents: whether it may build a document anew, with its own number for the DocumentId.
        calls_a_minute: calls that it takes in a minute, where that is known; ``[http] calls_a_minute`` sets another.
        packet: what it demands of packets.
    """

    has_sent_list: bool = True
    lists_by_date: bool = False
    window_days: int | None = None
    first_days: int = 7
    has_directory: bool = True
    tells_directory_changes: bool = False
    directory_scope: str = ""
    tells_statuses_by_update: bool = False
    tells_documents: bool = False
    tells_delivery: bool = True
    repeats_statuses: bool = False
    confirms_all_statuses: bool = False
    confirms_arrival: bool = False
    status_prefix: str = ""
    rebuilds_documents: bool = False
    calls_a_minute: float | None = None
    packet: PacketProfile = PacketProfile()


def name_directory(dialect: object) -> str:
    """Name the directory that a dialect reads, the same for all who read it; empty where nothing tells."""
    endpoint = getattr(dialect, "endpoint", "")
    if not isinstance(endpoint, str) or not endpoint:
        return ""
    scope = get_capabilities(dialect).directory_scope
    return f"{type(dialect).__name__.lower()} {endpoint.rstrip('/')}" + (f" below {scope}" if scope else "")


def get_capabilities(dialect: object) -> HubCapabilities:
    """Get what the hub of a dialect can do: its attribute ``capabilities``, or the defaults."""
    found = getattr(dialect, "capabilities", None)
    return found if isinstance(found, HubCapabilities) else HubCapabilities()
