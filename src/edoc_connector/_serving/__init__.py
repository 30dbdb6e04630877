"""Programs of ours that serve HTTP until they are told to stop; loads uvicorn."""

from .beside import run_beside
from .program import HttpProgram, HttpServer

__all__ = ["HttpProgram", "HttpServer", "run_beside"]
