"""Registers of incoming and outgoing documents: typed rows, and files of them for a spreadsheet."""

from .build import build_register
from .entries import IncomingEntry, OutgoingEntry, Register, RegisterDirection

__all__ = ["IncomingEntry", "OutgoingEntry", "Register", "RegisterDirection", "build_register"]
