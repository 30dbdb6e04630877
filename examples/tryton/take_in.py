"""Make an incoming document (module ``document_incoming``) in Tryton of each packet that comes from the hub."""

import signal
import threading

import trytond.config
from trytond.pool import Pool
from trytond.transaction import Transaction

import edoc_connector as edoc

DATABASE = "dms"


def take_in(receipt: edoc.Receipt) -> None:
    """Store a packet in one transaction of Tryton, unless an earlier call did: it may be told twice."""
    with Transaction().start(DATABASE, user=0, context={"active_test": False}):
        incoming = Pool(DATABASE).get("document.incoming")
        source = f"edoc {receipt.agency} {receipt.hub_doc_id}"
        if incoming.search([("source", "=", source)], limit=1):
            return
        about = f"{receipt.sender}\n{receipt.id}\n{receipt.kind}\n{receipt.issued_on}\n{receipt.subject}\n"
        files = [
            incoming(name=one.safe_name, data=b"".join(one.pieces()), source=f"{source} {number}")
            for number, one in enumerate(receipt.attachments, 1)
        ]
        # as for an e-mail: with files, the letter itself is not worked on, its files are
        name = " ".join(f"{receipt.code} {receipt.subject}".split())
        letter = incoming(name=name, data=about.encode(), source=source, active=not files)
        letter.children = files
        letter.save()


def main() -> None:
    trytond.config.update_etc("trytond.conf")
    Pool.start()
    Pool(DATABASE).init()
    stop = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: stop.set())
    with edoc.Connector.open("edoc.toml") as connector:
        for receipt in connector.watch(every=30, stop=stop):
            with receipt:  # confirmed only when Tryton has committed
                take_in(receipt)


if __name__ == "__main__":
    main()
