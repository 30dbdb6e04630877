"""Signatures and seals of packets: made and verified."""
