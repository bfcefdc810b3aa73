"""Installs a plugin with CPython's tarfile and hashlib, one entry after the other, and checks its manifest hash.

Arguments: the archive, and a directory to make.
"""

import hashlib
import json
import pathlib
import sys
import tarfile
import warnings

warnings.simplefilter("ignore", DeprecationWarning)


def extract(archive, folder):
    top = folder.resolve()
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar.getmembers():
            if member.issym() or member.islnk():
                continue
            (folder / member.name).resolve().relative_to(top)
            tar.extract(member, folder)


def digest(path):
    state = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(65536):
            state.update(piece)
    return state.hexdigest()


def manifest_hash(folder):
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    pairs = [(name, digest(folder / name)) for name in names if name != "plugin.yaml"]
    return hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def main(archive, folder):
    folder = pathlib.Path(folder)
    folder.mkdir()
    extract(archive, folder)
    if f"sha256: {manifest_hash(folder)}\n" not in (folder / "plugin.yaml").read_text():
        sys.exit("the manifest hash differs from the one in plugin.yaml")


main(*sys.argv[1:])
