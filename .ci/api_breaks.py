"""Name what breaks callers since a release: public names, as docs/api.md and the doors of packages have them.

Usage: ``python .ci/api_breaks.py [COMMIT]``; left out, the last tag of a release. Ends with 1 where there is a
break, which a new major version may have, and the changelog must name.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).parents[1]
PACKAGE = "edoc_connector"


def find_last_release() -> str | None:
    """Find the last tag of a release before this commit; None where there was none."""
    command = ["git", "describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return found.stdout.strip() if found.returncode == 0 else None


def find_breaks(since: str) -> Iterator[str]:
    """Find each break, in one line; what is behind no door is private, and may change."""
    before = griffe.load_git(PACKAGE, ref=since, repo=ROOT, search_paths=["src"])
    now = griffe.load(PACKAGE, search_paths=[str(ROOT / "src")])
    doors = set(_list_public(before))
    for one in griffe.find_breaking_changes(before, now):
        name = one.obj.path
        if any(name == door or name.startswith(f"{door}.") for door in doors):
            yield one.explain(griffe.ExplanationStyle.ONE_LINE)


def _list_public(package: griffe.Module | griffe.Object) -> Iterator[str]:
    """List the objects that the door of the package leads to, by the place where they are defined."""
    for name in package.exports or ():
        member = package.members.get(str(name))
        if member is not None:
            yield package.path + "." + str(name)
            yield member.final_target.path if member.is_alias else member.path


def main(arguments: list[str]) -> int:
    """Print each break, and return 1 where there is one."""
    since = arguments[0] if arguments else find_last_release()
    if since is None:
        print("no release yet (no tag v…): nothing to compare with; name a commit to compare with that")
        return 0
    breaks = sorted(set(find_breaks(since)))
    print("\n".join(breaks) or f"nothing breaks callers since {since}")
    return 1 if breaks else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
