"""Run what shows the promises of the project, and note figure and date: of these the table in docs/release.md is made.

nox -s promises                            # those of kind "every run"
nox -s promises -- --kind nightly          # those that take long
nox -s promises -- chaos-sqlite soak       # these
nox -s promises -- --note as-attacker "2,300 attempts, nothing accepted"
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROMISES = Path(__file__).with_name("promises.toml")
RESULTS = Path(__file__).with_name("results.json")
KINDS = {"every run": "mỗi lần chạy", "nightly": "hằng đêm", "by hand": "do người thực hiện"}
_LONGEST = 6 * 3600  # seconds that one of them may take


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """Something that the project promises.

    Args:
        en, vi: the promise in both languages.
        kind: one of `KINDS`.
        command: what shows it; of kind "by hand" what a person follows.
        environment: variables that it is run with.
    """

    en: str
    vi: str
    kind: str
    command: str
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the last run of a promise showed.

    Args:
        kept: whether it was kept.
        figure: the last line that the command said.
        date: the day, UTC.
    """

    kept: bool
    figure: str
    date: str


def load_promises(path: Path = PROMISES) -> dict[str, Promise]:
    """Load every promise, by its name."""
    return {name: Promise(**row) for name, row in tomllib.loads(path.read_text(encoding="utf-8")).items()}


def load_results(path: Path = RESULTS) -> dict[str, Result]:
    """Load the last result of each promise that was run."""
    return {name: Result(**row) for name, row in json.loads(path.read_text(encoding="utf-8")).items()}


def note(name: str, result: Result, path: Path = RESULTS) -> None:
    """Note a result in place of the one before."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    rows[name] = {"kept": result.kept, "figure": result.figure, "date": result.date}
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def run(promise: Promise) -> Result:
    """Run the command of a promise; what it says is shown as it comes."""
    words = shlex.split(promise.command)
    command = [sys.executable if words[0] == "python" else words[0], *words[1:]]
    said, began = [], time.monotonic()
    environment = os.environ | promise.environment
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            said.append(line.strip(" =\n"))
            if time.monotonic() - began > _LONGEST:
                process.kill()
    last = next((line for line in reversed(said) if line), "it said nothing")
    return Result(kept=process.returncode == 0, figure=_shorten(last), date=_today())


def _shorten(line: str) -> str:
    """A line without the colours and the place of this checkout."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line).replace(f"{ROOT}/", "")[:160]


def _today() -> str:
    return datetime.now(UTC).date().isoformat()


def format_rows(language: str) -> list[tuple[str, ...]]:
    """Format the table's rows: promise, command, how often, figure, date."""
    results = load_results()
    return [_format_row(one, results.get(name), language) for name, one in load_promises().items()]


def _format_row(promise: Promise, result: Result | None, language: str) -> tuple[str, ...]:
    variables = "".join(f"{name}={value} " for name, value in promise.environment.items())
    said, kind = (promise.en, promise.kind) if language == "en" else (promise.vi, KINDS[promise.kind])
    not_kept, not_run = ("**not kept**: ", "not run yet") if language == "en" else ("**không đạt**: ", "chưa chạy")
    if result is None:
        return said, f"`{variables}{promise.command}`", kind, not_run, ""
    figure = f"`{result.figure}`"  # what a command said, in its own words
    return said, f"`{variables}{promise.command}`", kind, ("" if result.kept else not_kept) + figure, result.date


def main(arguments: list[str] | None = None) -> int:
    """Run the promises that are asked for, and return 1 where one is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="which; all of the kind where none is named")
    parser.add_argument("--kind", choices=[kind for kind in KINDS if kind != "by hand"], default="every run")
    parser.add_argument("--note", nargs=2, metavar=("NAME", "FIGURE"), help="note what a person found")
    parser.add_argument("--failed", action="store_true", help="with --note: it is not kept")
    asked = parser.parse_args(arguments)
    promises = load_promises()
    if asked.note:
        name, figure = asked.note
        if name not in promises:
            parser.error(f"there is no promise {name}; see {PROMISES.name}")
        note(name, Result(kept=not asked.failed, figure=figure, date=_today()))
        return 0
    names = asked.names or [name for name, one in promises.items() if one.kind == asked.kind]
    wrong = [name for name in names if name not in promises or promises[name].kind == "by hand"]
    if wrong:
        parser.error(f"not to be run: {', '.join(wrong)}; see {PROMISES.name}")
    kept = []
    for name in names:
        print(f"{name}: {promises[name].en}", flush=True)
        result = run(promises[name])
        note(name, result)
        kept.append(result.kept)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
