"""A store of another version and its packs of evidence, taken over by this one. Anyone can run it, with a checkout:

    python tests/chaos/old_packs.py --old ../before --documents 10000 [--database postgresql]

That version's own code sends documents over its own mock hub, receives and answers them, and packs each on both sides
as soon as it is there. This version then upgrades both stores, is killed while it moves the evidence, goes on, and
packs every document again. Every pack is checked, old and new, and every tenth once more with one byte changed in it.
Exit code 0: both upgrades were killed halfway, each pack verifies and leads to the authority that was given, no changed
one passes, and `fsck` finds nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from edoc_connector.connector import Connector, check_pack
from edoc_connector.signing import VerifyMode, VerifyPolicy
from edoc_connector.store import upgrade
from edoc_connector.testing.postgres import PostgresServer

AGENCIES = ("H29.05", "G22")

# What the other version runs: its names, so that names may change.
MAKER = '''
import json, sys
from pathlib import Path
from edoc_connector.connector import Connector
from edoc_connector.mockhub import MockHubConfig
from edoc_connector.testing import sample_document
from edoc_connector.testing.hub import RunningHub
from edoc_connector.testing.keys import agency_keys

folder, documents, urls = Path(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
names = {"H29.05": "Sở Nội vụ", "G22": "Văn phòng Chính phủ"}

def write_office(hub, code):
    place = folder / code
    place.mkdir()
    secret = place / "secret"
    secret.touch(0o600)
    secret.write_text(f"secret-{code}")
    keys = agency_keys(names[code], organ_id=code, kind="p256")
    root = keys.write_root(folder / "root.pem")
    key = keys.write_pem(place / "key.pem")
    text = f"""
[agency]
id = "{code}"
name = "{names[code]}"
[hub]
endpoint = "{hub.url}"
system_id = "{code}"
secret = "file:secret"
[store]
url = "{urls[code]}"
[http]
attempts = 1
[signing]
key = "{key}"
[receive]
policy = "trusted"
trust = ["{root}"]
"""
    (place / "edoc.toml").write_text(text, encoding="utf-8")
    return Connector.open(place / "edoc.toml")

with RunningHub(MockHubConfig(data=folder / "hub")) as hub:
    for code, name in names.items():
        hub.add_agency(code, f"secret-{code}", name)
    with write_office(hub, "H29.05") as sender, write_office(hub, "G22") as receiver:
        packed = 0
        for number in range(1, documents + 1):
            document = sample_document(number=str(number))
            sender.send(document)
            sender.evidence(document.id, out=folder / f"{number:06}-sent.zip")
            if number % 20 and number < documents:
                continue
            for receipt in receiver.receive():
                with receipt:
                    receipt.accept()
                receiver.flush()  # a status that was built and not sent was in no entry of that version
                packed += 1
                receiver.evidence(receipt.document.id, out=folder / f"{packed:06}-received.zip")
'''

# An upgrade that ends as if somebody pulled the plug: with a batch on the disk, and another one not committed.
KILLED = """
import os, signal, sys
from edoc_connector.store import upgrade
from edoc_connector.store.log import chain_move

move_batch, calls = chain_move._move_batch, []

def move_and_end(*arguments):
    moved = move_batch(*arguments)
    if calls:
        os.kill(os.getpid(), signal.SIGKILL)
    calls.append(moved)
    return moved

chain_move.BATCH_ROWS, chain_move._move_batch = 500, move_and_end
upgrade(sys.argv[1])
"""


def make_packs(old: Path, folder: Path, documents: int, urls: Mapping[str, str]) -> list[Path]:
    """Let the other version send documents and make packs, and list the packs."""
    environment = os.environ | {"PYTHONPATH": str(old / "src")}
    log = folder / "log.txt"
    with log.open("w", encoding="utf-8") as out:
        command = [sys.executable, "-c", MAKER, str(folder), str(documents), json.dumps(urls)]
        made = subprocess.run(command, check=False, env=environment, stderr=out)
    if made.returncode:
        raise SystemExit(f"that version could not make packs:\n{log.read_text(encoding='utf-8')[-4000:]}")
    return sorted(folder.glob("*.zip"))


@contextmanager
def lend_databases(database: str, folder: Path) -> Iterator[dict[str, str]]:
    """Lend a database for each agency, without tables."""
    if database == "sqlite":
        yield {code: f"sqlite:///{folder / code / 'edoc.db'}" for code in AGENCIES}
        return
    with PostgresServer() as server:
        yield {code: server.create_database("none") for code in AGENCIES}


def kill_upgrade(url: str) -> str:
    """Upgrade a store, kill the program in its second batch of the evidence, and tell how far it came."""
    program = subprocess.run([sys.executable, "-c", KILLED, url], check=False)
    moved = _count_moved(url)
    is_killed = program.returncode == -signal.SIGKILL and moved is not None and 0 < moved[0] < moved[1]
    return f"killed with {moved[0]} of {moved[1]} moved" if is_killed and moved is not None else "not killed"


def _count_moved(url: str) -> tuple[int, int] | None:
    """Count the entries of the chain that were moved, and all; None where the database has not both forms."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            counts = [
                int(connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one())
                for name in ("evidence_leaves", "evidence")
            ]
            return counts[0], counts[1]
    except DBAPIError:
        return None
    finally:
        engine.dispose()


def pack_again(folder: Path) -> Iterator[Path]:
    """Pack every document of both stores with this version."""
    document_ids: list[str] = []
    for code in AGENCIES:
        with Connector.open(folder / code / "edoc.toml") as connector:
            document_ids = document_ids or [delivery.id for delivery in connector.iter_deliveries()]
            for number, document_id in enumerate(document_ids):
                yield connector.evidence(document_id, out=folder / f"{number:06}-new-{code}.zip")
            for fault in connector.fsck():
                if fault.kind == "evidence":
                    raise SystemExit(f"fsck of {code}: {fault}")


def change_a_byte(pack: Path, dice: random.Random) -> Path:
    """Copy a pack with one byte changed in one of its files."""
    changed = pack.with_suffix(".changed")
    with zipfile.ZipFile(pack) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = dice.choice([name for name in old.namelist() if old.getinfo(name).file_size])
        for name in old.namelist():
            content = bytearray(old.read(name))
            if name == chosen:
                content[dice.randrange(len(content))] ^= 1
            new.writestr(name, bytes(content))
    return changed


def find_failures(packs: list[Path], root: Path) -> Iterator[str]:
    """Check every pack, and every tenth with a byte changed; tell what should not be."""
    anchors = VerifyPolicy.load([root], mode=VerifyMode.ANY).anchors
    dice, forms = random.Random(1), Counter[int]()
    for number, pack in enumerate(packs):
        checked = check_pack(pack, anchors=anchors)
        forms[checked.form] += 1
        if checked.problems or checked.trusted is not True or checked.signed_by is None:
            yield f"{pack.name}: {checked.problems}, trusted {checked.trusted}"
        if number % 10 == 0 and not check_pack(change_a_byte(pack, dice), anchors=anchors).problems:
            yield f"{pack.name}: a changed byte was not seen"
    print(f"forms: {dict(forms)}")


def main() -> int:
    """Make, check and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, required=True, help="checkout of the version that makes the packs")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, lend_databases(arguments.database, Path(name)) as urls:
        folder, began = Path(name), time.monotonic()
        old_packs = make_packs(arguments.old.resolve(), folder, arguments.documents, urls)
        print(f"{len(old_packs)} packs of the other version in {time.monotonic() - began:.0f} s", flush=True)
        failures = []
        for code, url in urls.items():
            said = kill_upgrade(url)
            failures += [f"the upgrade of {code} was {said}"] if said == "not killed" else []
            print(f"{code}: {said}; then at revision {upgrade(url)}", flush=True)
        new_packs = list(pack_again(folder))
        print(f"{len(new_packs)} packs of this version by {time.monotonic() - began:.0f} s", flush=True)
        failures += find_failures([*old_packs, *new_packs], folder / "root.pem")
        print(f"checked by {time.monotonic() - began:.0f} s")
    print("\n".join(failures) or "all verify")
    return 1 if failures or min(len(old_packs), len(new_packs)) < 2 * arguments.documents else 0


if __name__ == "__main__":
    sys.exit(main())
