"""Signatures inside PDF files: reading them, demanding them, making them. The extra ``pdf`` brings what this needs.

Importing this package loads no PDF code; the functions do, and say what to install where it is missing.
"""

from .policy import Unsigned, demanded, unsigned
from .reasons import PDF_REASONS
from .result import PdfSignature, PdfVerification
from .sign import sign_pdf
from .stamp import Stamp
from .verify import is_pdf, verify_pdf

__all__ = [
    "PDF_REASONS",
    "PdfSignature",
    "PdfVerification",
    "Stamp",
    "Unsigned",
    "demanded",
    "is_pdf",
    "sign_pdf",
    "unsigned",
    "verify_pdf",
]
