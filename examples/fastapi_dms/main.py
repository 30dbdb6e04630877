import sqlite3
from datetime import date
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI, Form, Request, UploadFile
from fastapi.responses import JSONResponse

import edoc_connector as edoc
from edoc_connector.contrib.fastapi import Edoc, edoc_lifespan

register = sqlite3.connect("register.db", check_same_thread=False, isolation_level=None)
register.execute("CREATE TABLE IF NOT EXISTS incoming (id, sender, code, subject, PRIMARY KEY (sender, id))")


async def take_in(receipt):
    if receipt.business in (None, edoc.BusinessType.RECALL):
        return  # the sender asks for it back: a person answers, with agree_change
    values = (receipt.id, receipt.sender, receipt.code, receipt.subject)
    register.execute("INSERT OR IGNORE INTO incoming VALUES (?, ?, ?, ?)", values)  # it may be told twice
    for attachment in receipt.attachments:
        attachment.save(Path("in") / f"{receipt.blocking.key}-{attachment.safe_name}")


Path("in").mkdir(exist_ok=True)
app = FastAPI(lifespan=edoc_lifespan("edoc.toml", take_in, every=2))


@app.exception_handler(edoc.EdocError)
async def explain_error(_: Request, error: edoc.EdocError):
    return JSONResponse({"error": error.message, "error_vi": error.vi}, 409)


@app.post("/letters")
async def send(connector: Edoc, number: Annotated[str, Form()], to: Annotated[str, Form()],
               subject: Annotated[str, Form()], file: UploadFile):  # fmt: skip
    document = edoc.Document(
        sender=connector.settings.organization(), recipients=[edoc.Organization(id=to, name=to)],
        number=number, notation="SNV-VP", place="Hà Nội", issued_on=date.today(), type_name="Công văn", subject=subject,
        signer=edoc.SignerInfo(full_name="Nguyễn Văn A", position="Giám đốc"),
        attachments=[edoc.Attachment.from_bytes(await file.read(), name=file.filename or "cong-van.pdf")],
    )  # fmt: skip
    return {"id": (await connector.queue(document)).id}


@app.get("/letters/{id:path}")
async def show(connector: Edoc, id: str):
    delivery = await connector.delivery(id)
    return {"state": delivery.state, "statuses": {one.organ_id: one.status for one in delivery.recipients}}


@app.get("/incoming")
def list_incoming():
    return register.execute("SELECT * FROM incoming").fetchall()


@app.post("/incoming/{sender}/{id:path}/accept")
async def accept(connector: Edoc, sender: str, id: str):
    await (await connector.receipt(id, sender=sender)).accept(queue=True)
