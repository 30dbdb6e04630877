"""A document-management system, as small as one can be: a register of what came, and letters that go out."""

from __future__ import annotations

from dataclasses import dataclass, field

import edoc_connector as edoc


@dataclass
class Register:
    """The register of incoming documents.

    Args:
        connector: brings them.
        entries: code and subject, by the number in the register.
    """

    connector: edoc.Connector
    entries: dict[int, tuple[str, str]] = field(default_factory=dict)

    def take_in(self) -> None:
        """Register every document that waits, and agree to every recall."""
        for receipt in self.connector.receive():
            if receipt.business is edoc.BusinessType.NEW:
                self._register(receipt)
            else:
                with receipt:
                    pass  # a system would ask a clerk here
                receipt.agree_change()

    def _register(self, receipt: edoc.Receipt) -> None:
        number = len(self.entries) + 1
        with receipt:  # whatever goes wrong in here, the document waits and is offered again
            self.entries[number] = (receipt.document.code, receipt.document.subject)
        receipt.accept(f"Vào sổ số {number}")
