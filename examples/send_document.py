"""Send a file to an agency: python send_document.py edoc.toml G22 "Văn phòng Chính phủ" 7816 cong-van.pdf"""

from __future__ import annotations

import sys
from datetime import datetime

import edoc_connector as edoc


def main(settings: str, recipient_id: str, recipient_name: str, number: str, file: str) -> None:
    """Send one document and print where it stands."""
    with edoc.Connector.open(settings) as connector:
        document = edoc.Document(
            sender=connector.settings.organization(),
            recipients=[edoc.Organization(id=recipient_id, name=recipient_name)],
            number=number,
            notation="SNV-VP",
            place="Hà Nội",
            issued_on=datetime.now(edoc.edxml.VIETNAM).date(),
            type_name="Công văn",
            subject="V/v kết nối, liên thông văn bản",
            signer=edoc.SignerInfo(full_name="Nguyễn Văn A", position="Giám đốc"),
            attachments=[edoc.Attachment.from_path(file)],
        )
        try:
            delivery = connector.send(document)
        except edoc.TransportError as error:
            # nothing is lost: the packet is stored, and the next send() or flush() goes on with it
            print(f"not there yet: {error}")
            delivery = connector.delivery(document.id)
        print(document.id, delivery.state)


if __name__ == "__main__":
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
