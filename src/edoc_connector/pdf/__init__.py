"""Signatures inside PDF files: making, verifying and demanding them, with the packages of the extra ``pdf``.

Importing this package loads no PDF code; the functions do, and name the package to install where one is missing.
"""

from .bounds import PdfBudget
from .extra import require_packages
from .policy import UnsignedPdf, find_unsigned, require_signatures
from .reasons import PDF_REASONS
from .result import PdfSignature, PdfVerification
from .sign import sign_pdf
from .stamp import Stamp
from .verify import is_pdf, verify_pdf

__all__ = [
    "PDF_REASONS",
    "PdfBudget",
    "PdfSignature",
    "PdfVerification",
    "Stamp",
    "UnsignedPdf",
    "find_unsigned",
    "is_pdf",
    "require_packages",
    "require_signatures",
    "sign_pdf",
    "verify_pdf",
]
