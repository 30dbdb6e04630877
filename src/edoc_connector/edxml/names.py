"""Namespaces, fixed names and known spellings of packets."""

NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"
"""The standard's namespace."""
DS = "http://www.w3.org/2000/09/xmldsig#"
"""XML Signature's namespace."""
XLINK = "http://www.w3.org/1999/xlink"
SEAL_NAME = "edoc-seal.xml"
"""File name of the seal among the attachments."""
ZIP_TYPE = "application/zip"
"""Content type of a zip around the file, unless the file's name ends in ``.zip``."""
OLD_NAMESPACES = ("http://www.e-doc.vn/Schema/", "http://www.go.vn/eDoc")
"""Namespaces of earlier versions, read like `NS`."""

ALIASES = {
    "EdXML": "edXML",
    "EdXMLEnvelope": "edXMLEnvelope",
    "EdXMLHeader": "edXMLHeader",
    "EdXMLBody": "edXMLBody",
    "EdXMLManifest": "edXMLManifest",
    "Body": "edXMLBody",
    "Manifest": "edXMLManifest",
    "Header": "edXMLHeader",
    "Status": "MessageHeader",  # how some systems write a status packet
    "Envelope": "edXMLEnvelope",
    "DigitalSignature": "Signature",
    "Business": "Bussiness",
    "BusinessDocType": "BussinessDocType",
    "BusinessDocReason": "BussinessDocReason",
    "BusinessDocumentInfo": "BussinessDocumentInfo",
}
"""Spellings that occur in packets, each with that of the standard."""

NAMES_WITHIN = {
    "Attachment": {"Content": "ContentTransferEncoded", "FileName": "AttachmentName", "FileType": "ContentType"},
    "SignerInfo": {"Signer": "FullName"},
    "TraceHeader": {"Time": "Timestamp"},
}
"""Other names of elements, by the element that holds them; elsewhere they may mean something else."""
