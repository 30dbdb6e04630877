"""The calls of the VXP interface, as data.

A client is free to choose the order in which a call signs its parameters; it is that of the vendor's client here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..refusals import DONE_BEFORE

OCTETS = "application/octet-stream"
JSON = "application/json"
EMPTY_OBJECT = b"{}"

_ALWAYS_SIGNED = ("timestamp", "Content-Type")
_TYPE_PARAMETERS = ("servicetype", "messagetype")


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the interface.

    Args:
        name: its path under the endpoint.
        signed_parameters: names of the parameters in signing order; those without a value are left out.
        body: the body of every such call, unless the call is given one.
        method: HTTP method.
        content_type: value of the plain and of the signed header.
        sends: whether a repeated call has a further effect, so that it must not be retried blindly after a lost answer.
        done_before: words of a refusal by which the hub says that the call was made before.
    """

    name: str
    signed_parameters: tuple[str, ...]
    body: bytes = b""
    method: str = "POST"
    content_type: str = JSON
    sends: bool = False
    done_before: re.Pattern[str] | None = None


SEND = Call(
    "sendEdoc",
    ("systemid", *_TYPE_PARAMETERS, "hash-file", "from", "to", *_ALWAYS_SIGNED),
    content_type=OCTETS,
    sends=True,
)
LIST_WAITING = Call("getReceivedEdocList", ("systemid", *_TYPE_PARAMETERS, *_ALWAYS_SIGNED))
GET = Call("getEdoc", ("systemid", "docId", "filePath", *_ALWAYS_SIGNED), body=EMPTY_OBJECT)
DOWNLOAD = Call("downloadEdoc", ("systemid", "docId", "filePath", *_ALWAYS_SIGNED), method="GET")
CONFIRM = Call(
    "updateStatus", ("systemid", "docid", *_ALWAYS_SIGNED, "status"), body=EMPTY_OBJECT, done_before=DONE_BEFORE
)
SENT_STATE = Call("getSentEdocList", ("systemid", *_TYPE_PARAMETERS, "docId", "fromDate", "toDate", *_ALWAYS_SIGNED))
AGENCIES = Call("getAgenciesList", ("systemid", *_ALWAYS_SIGNED))
AGENCIES_QD20 = Call("getAgenciesListQD20", ("systemid", "level", *_ALWAYS_SIGNED))
AGENCY_CHANGES = Call("getSynchronizeUnit", ("systemid", *_ALWAYS_SIGNED))
REGISTER_AGENCY = Call("registerAgency", ("systemid", *_ALWAYS_SIGNED), sends=True)
DELETE_AGENCY = Call("deleteAgency", ("systemid", "AgencyCode", *_ALWAYS_SIGNED), body=EMPTY_OBJECT, sends=True)
COUNT_EDOC = Call("countReceiveEdoc", ("systemid", *_TYPE_PARAMETERS, *_ALWAYS_SIGNED), body=EMPTY_OBJECT)
COUNT_STATUS = Call("countReceiveStatus", ("systemid", *_TYPE_PARAMETERS, *_ALWAYS_SIGNED), body=EMPTY_OBJECT)
