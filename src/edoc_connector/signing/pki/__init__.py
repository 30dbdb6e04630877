"""Certificates: paths, trust, revocation and time-stamps."""
