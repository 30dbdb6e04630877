"""Every error this library raises, in one tree.

::

    EdocError
    ├─ ConfigError                  settings missing or wrong
    ├─ PacketError                  a packet that cannot be read at all
    ├─ DocumentError                a document or status of ours that breaks the standard's rules; nothing was written
    │  ├─ InvalidFields             values that a document, an organisation… cannot be made of; also a ValueError
    │  └─ RecipientEnded            a recipient's code ended; the error names its heir
    ├─ AgencyListError              a list of agencies (CSV) with lines that cannot be used; nothing was taken over
    ├─ AttachmentError              a file to send that is missing or empty, content in a packet that cannot be decoded
    ├─ SigningError                 a key that cannot be loaded or must not sign
    ├─ VerificationFailed           a packet that the receive policy does not let in
    ├─ HubError                     the hub answered, and the answer is no
    │  ├─ AuthenticationRejected    wrong system id or secret
    │  │  └─ ClockRejected          this machine's clock is too far off
    │  ├─ UnknownRecipient
    │  ├─ UnknownSender
    │  ├─ PacketRefused             the hub read the packet and will not take it
    │  ├─ DuplicateDocument         the hub has a document with this id already
    │  ├─ HubUnavailable            busy, throttled or failing inside: try later
    │  └─ ProtocolError             the answer is not one the dialect knows (a proxy's page, cut-off JSON)
    │     ├─ CallNotSupported       there is no such call at that address
    │     └─ IntermediaryAnswer     a proxy, gateway or portal in front of the hub answered
    ├─ TransportError               no answer came
    │  ├─ NotSent                   nothing left this machine, or not all of it: sending again is safe
    │  │  └─ AnswerCut              the answer to a call that only reads broke off, or did not come in time
    │  └─ OutcomeUnknown            the request left and no answer came: ask the hub before sending again
    ├─ StatusNotAllowed             a status code that may not follow the ones before it
    ├─ StoreError                   the store could not do it; nothing changed
    │  └─ DocumentIdConflict        another document was already sent under this id
    ├─ EvidenceError                an entry, a checkpoint or a proof of the evidence that is none, or does not hold
    │  ├─ ArchiveMissing            old entries are in a file that is not where the settings look for it
    │  └─ ArchiveRefused            a file is no archive of this evidence, is damaged, or was changed
    ├─ NotFound                     no delivery, receipt or document with that id
    └─ InvalidQuery                 a list that cannot be asked for so: a wrong cursor, limit or time; also a ValueError

The message of each says in English what is wrong and what to do; `vi` says it in Vietnamese, and `str()` in the
language that `set_language` chose. No message, attribute or cause of these errors holds a secret. Unless `show_details`
was called, no message holds a subject, the name of a file or content, which a log may not keep (Decree
13/2023/NĐ-CP); `full` and `full_vi` have those, for a person.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self, TypeAlias, get_args

Language: TypeAlias = Literal["vi", "en", "both"]
LANGUAGES: tuple[str, ...] = get_args(Language)
LANGUAGE_VARIABLE = "EDOC_LANG"
_language = os.environ.get(LANGUAGE_VARIABLE, "both")


def set_language(language: Language) -> None:
    """Let errors and labels of this process speak one language, or both."""
    global _language
    _language = language


def get_language() -> str:
    """Get the language in which errors and labels speak: ``vi``, ``en`` or ``both``."""
    return _language if _language in LANGUAGES else "both"


def choose_words(en: str, vi: str, *, between: str = "\n") -> str:
    """Choose the words in the language of this process; where that is both, and they differ, one after the other.

    Args:
        en: the words in English.
        vi: the same in Vietnamese.
        between: what stands between them.
    """
    language = get_language()
    return vi if language == "vi" else en if language == "en" or en == vi else f"{en}{between}{vi}"


HIDDEN = "…"
_shows_details = False


def show_details(is_wanted: bool) -> None:
    """Let errors and logs of this process name files and repeat what is in documents, or stop that again."""
    global _shows_details
    _shows_details = is_wanted


def has_details() -> bool:
    """Whether errors and logs may name files and repeat what is in documents."""
    return _shows_details


class EdocError(Exception):
    """Base of every error the library raises.

    Args:
        message: what is wrong and what to do, in English.
        vi: the same in Vietnamese.

    Attributes:
        full: the message with names of files and values of documents in it, for a person who may see the document.
        full_vi: the same in Vietnamese.
    """

    def __init__(self, message: str, *, vi: str) -> None:
        super().__init__(message)
        self.message = self.full = message
        self.vi = self.full_vi = vi

    def __str__(self) -> str:
        return choose_words(self.message, self.vi)

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle it with everything it says: it may come from another process."""
        return _rebuild, (type(self), self.args), self.__dict__

    @classmethod
    def withholding(cls, message: str, *, vi: str, hidden: Mapping[str, object], **fields: Any) -> Self:
        """Build an error whose message leaves out what only the document's readers may see; `full` has it.

        Args:
            message: the message, with ``{name}`` in the place of each hidden value.
            vi: the same in Vietnamese.
            hidden: the values by name, as they stand in the full message.
            fields: further arguments of the class.
        """
        shown = hidden if _shows_details else dict.fromkeys(hidden, HIDDEN)
        error = cls(_fill(message, shown), vi=_fill(vi, shown), **fields)
        error.full, error.full_vi = _fill(message, hidden), _fill(vi, hidden)
        return error


def _rebuild(cls: type[EdocError], args: tuple[object, ...]) -> EdocError:
    """Make an error as `copy` and `pickle` ask for it: without its constructor; its attributes come next."""
    return cls.__new__(cls, *args)


def _fill(template: str, values: Mapping[str, object]) -> str:
    """Fill in named places only: other braces may stand in words that are not ours."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", str(value))
    return template


class ConfigError(EdocError):
    """Settings are missing or wrong."""


class PacketError(EdocError):
    """A packet cannot be read.

    Args:
        code: stable code, ``EDX-…``.
        line: line in the file, counted from 1, where known.
        column: column in the line, counted from 1, where known.
    """

    def __init__(self, message: str, *, vi: str, code: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message, vi=vi)
        self.code = code
        self.line = line
        self.column = column


class DocumentError(EdocError):
    """A document or status of ours breaks the rules of the standard.

    Args:
        problems: every problem found (`edxml.Problem`), not only the first.
    """

    def __init__(self, message: str, *, vi: str, problems: Sequence[Any]) -> None:
        super().__init__(message, vi=vi)
        self.problems = tuple(problems)


class RecipientEnded(DocumentError):
    """Codes of recipients ended, by the hub's directory or the agency's own list.

    Args:
        problems: one for each (`edxml.Problem`).
        heirs: the code that took the place of each ended one; None where none is known, or it was split.
        choices: the codes that an ended one was split into: address the document to the right one.
    """

    def __init__(
        self,
        message: str,
        *,
        vi: str,
        problems: Sequence[Any],
        heirs: Mapping[str, str | None],
        choices: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message, vi=vi, problems=problems)
        self.heirs = dict(heirs)
        self.choices = {code: tuple(codes) for code, codes in (choices or {}).items()}


class AgencyListError(EdocError):
    """A list of agencies has lines that cannot be used; nothing of it was taken over.

    Args:
        problems: every line that cannot be used (`LineProblem`).
    """

    def __init__(self, message: str, *, vi: str, problems: Sequence[Any] = ()) -> None:
        super().__init__(message, vi=vi)
        self.problems = tuple(problems)


class InvalidFields(DocumentError, ValueError):
    """Values of a wrong kind, unknown or missing, for a `Document`, an `Organization` or another model.

    Args:
        problems: every field that is wrong (`edxml.FieldProblem`).
    """


class AttachmentError(EdocError):
    """A file to send is missing, empty or changing, or content in a packet cannot be decoded."""


class SigningError(EdocError):
    """A key cannot be loaded, or must not sign."""


class VerificationFailed(EdocError):
    """The receive policy does not let this packet in.

    Args:
        is_verdict: whether the packet is to blame; False where this side cannot judge it, and the hub is not told.
    """

    def __init__(self, message: str, *, vi: str, is_verdict: bool = True) -> None:
        super().__init__(message, vi=vi)
        self.is_verdict = is_verdict


class HubError(EdocError):
    """The hub answered, and the answer is no.

    Args:
        code: the hub's own error code, or the HTTP status where it gave none.
        retryable: whether the same request may succeed later.
        retry_after: seconds the hub asks to wait, where it said so.
    """

    retryable = False

    def __init__(
        self, message: str, *, vi: str, code: str = "", retryable: bool | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message, vi=vi)
        self.code = code
        self.retry_after = retry_after
        if retryable is not None:
            self.retryable = retryable


class AuthenticationRejected(HubError):
    """Wrong system id or secret, or a clock too far off."""


class ClockRejected(AuthenticationRejected):
    """The time stamp of the request is too far from the hub's time."""


class UnknownRecipient(HubError):
    """A recipient is not in the hub's directory."""


class UnknownSender(HubError):
    """The sending agency is not registered with the hub."""


class PacketRefused(HubError):
    """The hub read the packet and will not take it."""


class DuplicateDocument(HubError):
    """The hub has a document with this DocumentId already."""


class HubUnavailable(HubError):
    """The hub is busy, throttles, or failed inside."""

    retryable = True


class ProtocolError(HubError):
    """The answer is not one the dialect knows."""


class CallNotSupported(ProtocolError):
    """There is no such call at that address: nothing was done."""


class IntermediaryAnswer(ProtocolError):
    """Something in front of the hub answered (a proxy, gateway or portal): the hub's verdict is not known."""


class TransportError(EdocError):
    """No answer came from the hub."""


class NotSent(TransportError):
    """The request did not leave, or not whole: sending again is safe."""


class AnswerCut(NotSent):
    """The answer to a call that only reads broke off, or did not come in time: asking again is safe."""


class OutcomeUnknown(TransportError):
    """The request left and no answer came: ask the hub before sending again."""


class StatusNotAllowed(EdocError):
    """A status code may not follow the ones before it (Decision 28/2018/QĐ-TTg)."""


class StoreError(EdocError):
    """The store could not do it; nothing changed."""


class DocumentIdConflict(StoreError):
    """Another document was already sent under this id."""


class EvidenceError(EdocError):
    """An entry, a checkpoint or a proof of the evidence is none, or does not hold."""


class ArchiveMissing(EvidenceError):
    """Old entries of the evidence are in an archive, whose file is not where the settings look for it."""


class ArchiveRefused(EvidenceError):
    """A file is no archive of this evidence: it is damaged, cut off, changed, or of another log."""


class NotFound(EdocError):
    """No delivery, receipt or document has that id."""


class InvalidQuery(EdocError, ValueError):
    """A value cannot be: a cursor of another list, a limit out of bounds, a time without its zone, no text at all."""


_REFINEMENTS = frozenset({ClockRejected, CallNotSupported, IntermediaryAnswer, AnswerCut, InvalidFields})
"""Classes younger than databases and evidence that name the class above them for the same refusal."""


def find_stored_name(error: BaseException) -> str:
    """Find the name under which an error is stored: that of its class, or of the class that it refines."""
    kind = type(error)
    return (kind.__bases__[0] if kind in _REFINEMENTS else kind).__name__


_SYSTEM_VI: Mapping[int, str] = {
    errno.ENOENT: "tệp hoặc thư mục không tồn tại",
    errno.EACCES: "không có quyền truy cập",
    errno.EPERM: "không được phép thực hiện",
    errno.EISDIR: "đây là thư mục, không phải tệp",
    errno.ENOTDIR: "một phần của đường dẫn không phải thư mục",
    errno.EEXIST: "đã tồn tại",
    errno.EROFS: "ổ đĩa chỉ cho đọc",
    errno.ENOSPC: "đĩa đã đầy",
    errno.EDQUOT: "đã hết hạn mức dung lượng đĩa",
    errno.ENAMETOOLONG: "tên tệp quá dài",
    errno.EMFILE: "mở quá nhiều tệp cùng lúc",
    errno.EADDRINUSE: "cổng đang được chương trình khác sử dụng",
    errno.EADDRNOTAVAIL: "máy này không có địa chỉ đó",
}


def describe_system_error(error: OSError) -> str:
    """Describe an error of the operating system in its own words, English."""
    return error.strerror or str(error) or type(error).__name__


def describe_system_error_vi(error: OSError) -> str:
    """Describe an error of the operating system in Vietnamese; in its own words where the table has none."""
    return _SYSTEM_VI.get(error.errno or 0) or describe_system_error(error)
