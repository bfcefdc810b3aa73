#!/usr/bin/env python3
"""Writes the seeds of the targets about plugins: what real writers write, and one small specimen of each oddity.

The result is committed. Run it again after adding a specimen: `python3 fuzz/make_seeds.py`.
"""

import gzip
import io
import os
import tarfile

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "seeds")
HASH = "0123456789abcdef" * 4


def write(target, name, content):
    folder = os.path.join(HERE, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(content.encode() if isinstance(content, str) else content)


def put(block, at, value):
    block[at : at + len(value)] = value


def header(name, kind=b"0", size=0, mode=0o644, **fields):
    block = bytearray(512)
    put(block, 0, name)
    put(block, 100, b"%07o" % mode)
    put(block, 108, b"0000000")
    put(block, 116, b"0000000")
    put(block, 124, b"%011o" % size)
    put(block, 136, b"00000000000")
    put(block, 148, b"        ")
    put(block, 156, kind)
    put(block, 257, b"ustar\x0000")
    for at, value in fields.items():
        put(block, int(at[1:]), value)
    if "_148" not in fields:
        put(block, 148, b"%06o\0 " % sum(block))
    return bytes(block)


def member(name, body=b"", kind=b"0", mode=0o644, **fields):
    padding = b"\0" * (-len(body) % 512)
    return header(name, kind, len(body), mode, **fields) + body + padding


def record(key, value):
    rest = len(key) + len(value) + 3
    length = next(rest + n for n in range(1, 6) if len(str(rest + n)) == n)
    return b"%d %s=%s\n" % (length, key, value)


def pax(records, kind=b"x"):
    return member(b"PaxHeaders/a", b"".join(record(*pair) for pair in records), kind)


END = b"\0" * 1024
GNU = {"_257": b"ustar  \0"}

PLUGIN = [
    ("plugin.yaml", b"name: demo\nversion: 1.0.0\n", 0o644),
    ("setup.sh", b"#!/bin/sh\nexit 0\n", 0o755),
    ("skills/hello/SKILL.md", b"---\nname: hello\n---\nHello.\n", 0o644),
]


def by_tarfile(form, extra=()):
    tarfile.RECORDSIZE = 512
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=form) as archive:
        folder = tarfile.TarInfo("skills")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(folder)
        for name, content, mode in [*PLUGIN, *extra]:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), mode
            archive.addfile(info, io.BytesIO(content))
    return output.getvalue()


LONG = [("long/" + "a" * 120, b"long", 0o644), ("caf\u00e9/n", b"accent", 0o644)]

ARCHIVES = {
    "ustar": by_tarfile(tarfile.USTAR_FORMAT),
    "gnu": by_tarfile(tarfile.GNU_FORMAT, LONG),
    "pax": by_tarfile(tarfile.PAX_FORMAT, LONG),
    "empty": END,
    "dot": member(b"./", kind=b"5", mode=0o755) + member(b"./a", b"a") + END,
    "links": member(b"a", b"a")
    + member(b"s", kind=b"2", _157=b"../a")
    + member(b"h", kind=b"1", _157=b"a")
    + END,
    "below-a-link": member(b"d", kind=b"2", _157=b"/tmp") + member(b"d/a", b"a") + END,
    "parent": member(b"a/../../b", b"a") + END,
    "absolute": member(b"/a", b"a") + END,
    "twice": member(b"a", b"1") + member(b"a", b"2") + END,
    "folded": member(b"Readme", b"1") + member(b"README", b"2") + END,
    "prefix": member(b"b", b"a", _345=b"a/long/prefix") + END,
    "comment": pax([(b"comment", b"0" * 40)], b"g") + member(b"a", b"a") + END,
    "pax-path": pax([(b"path", b"b/c"), (b"mtime", b"1.5")]) + member(b"a", b"a") + END,
    "pax-size": pax([(b"size", b"1")]) + member(b"a", b"a") + END,
    "pax-other-size": pax([(b"size", b"600")]) + member(b"a", b"a") + END,
    "pax-sparse": pax([(b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0")])
    + member(b"a", b"1\n0\n1\n" + b"\0" * 506 + b"x")
    + END,
    "gnu-long": member(b"././@LongLink", b"b/c\0", b"L", **GNU) + member(b"a", b"a", **GNU) + END,
    "gnu-long-link": member(b"././@LongLink", b"b/c\0", b"K", **GNU)
    + member(b"a", kind=b"2", _157=b"b", **GNU)
    + END,
    "gnu-in-ustar": member(b"././@LongLink", b"b/c\0", b"L") + member(b"a", b"a") + END,
    "gnu-sparse": member(b"a", b"x", b"S", _386=b"00000000000", **GNU) + END,
    "device": member(b"a", kind=b"3") + END,
    "fifo": member(b"a", kind=b"6") + END,
    "base-256": member(b"a", b"a", _124=b"\x80" + b"\0" * 10 + b"\x01") + END,
    "negative": member(b"a", b"a", _124=b"\xff" * 12) + END,
    "size-on-a-directory": member(b"d", b"a", b"5") + END,
    "signed-checksum": member(b"caf\xe9", b"a") + END,
    "v7": member(b"a", b"a", _257=b"\0" * 8) + END,
    "no-end": member(b"a", b"a"),
    "one-zero-block": member(b"a", b"a") + END[:512],
    "after-the-end": member(b"a", b"a") + END + member(b"b", b"b"),
    "truncated": member(b"a", b"a" * 600)[:900],
    "file-as-parent": member(b"a", b"a") + member(b"a/b", b"b") + END,
    "trailing-slash": member(b"a/", b"a") + END,
}

for name, archive in ARCHIVES.items():
    write("unpack_tar", name, archive)

# Where readers could differ about what they take.
for name in (
    "ustar gnu pax dot links prefix comment pax-path pax-size pax-other-size gnu-long gnu-long-link "
    "base-256 size-on-a-directory trailing-slash one-zero-block after-the-end"
).split():
    write("tar_differential", name, ARCHIVES[name])


def packed(content, **options):
    output = io.BytesIO()
    with gzip.GzipFile(fileobj=output, mode="wb", mtime=0, filename=options.pop("name", "")) as file:
        file.write(content)
    return output.getvalue()


WHOLE = packed(ARCHIVES["ustar"])
GZIP = {
    "ustar": WHOLE,
    "pax": packed(ARCHIVES["pax"]),
    "links": packed(ARCHIVES["links"]),
    "named": packed(ARCHIVES["empty"], name="plugin.tar"),
    "two-members": packed(ARCHIVES["no-end"]) + packed(END),
    "trailing-bytes": WHOLE + b"more",
    "trailing-zeros": WHOLE + b"\0" * 16,
    "wrong-checksum": WHOLE[:-8] + b"\0\0\0\0" + WHOLE[-4:],
    "wrong-size": WHOLE[:-4] + b"\0\0\0\0",
    "cut": WHOLE[: len(WHOLE) // 2],
    "no-trailer": WHOLE[:-8],
    "padded": packed(ARCHIVES["empty"] + b"\0" * 9000),
    "bomb": packed(member(b"a", b"\0" * 100_000) + END),
    "not-gzip": ARCHIVES["ustar"],
    "parent": packed(ARCHIVES["parent"]),
}
for name, stream in GZIP.items():
    write("unpack_gzip", name, stream)

PAX = {
    "path": record(b"path", b"other"),
    "times": record(b"mtime", b"1.5") + record(b"atime", b"2"),
    "size": record(b"size", b"5"),
    "other-size": record(b"size", b"6"),
    "comment": record(b"comment", b"a comment"),
    "twice": record(b"path", b"a") + record(b"path", b"b"),
    "sparse": record(b"GNU.sparse.map", b"0,5"),
    "xattr": record(b"SCHILY.xattr.user.a", b"b"),
    "wrong-length": b"9 path=other\n",
    "zero-length": b"0 path=other\n",
    "no-newline": b"13 path=other",
    "empty-value": record(b"path", b""),
    "nul": record(b"path", b"a\0b"),
    "charset": record(b"hdrcharset", b"BINARY"),
    "leading-zero": b"014 path=other\n",
    "lines": b"path=other\nmtime=3\nsize=5\n",
}
for name, records in PAX.items():
    write("pax_records", name, records)

YAML = {
    "plain": f"name: demo\nversion: 1.0.0\nsha256: {HASH}\n",
    "quoted": f"name: 'de''mo'\nversion: \"1.\\u0030\"\nsha256: \"{HASH}\"\n",
    "undeclared": "name: demo\ndescription: |\n  several\n  lines\n",
    "flow": f'{{"name": "demo", "sha256": "{HASH}"}}\n',
    "merge": f"base: &base\n  sha256: {HASH}\n<<: *base\nname: demo\n",
    "alias": f"hash: &hash {HASH}\nsha256: *hash\n",
    "twice": f"sha256: {HASH}\nsha256: {HASH[::-1]}\n",
    "null": "sha256: null\n",
    "tilde": "sha256: ~\n",
    "number": "sha256: " + "1" * 64 + "\n",
    "tag": f"sha256: !!binary {HASH}\n",
    "string-tag": f"sha256: !!str {HASH}\n",
    "two-documents": f"name: a\n---\nsha256: {HASH}\n",
    "marked-document": f"%YAML 1.2\n---\nsha256: {HASH}\n...\n",
    "byte-order-mark": f"\ufeffname: demo\nsha256: {HASH}\n",
    "complex-key": f"? sha256\n: {HASH}\n",
    "folded": f"sha256: >-\n  {HASH}\n",
    "sequence": "- sha256\n",
    "empty": "",
    "comment": "# nothing\n",
    "number-version": "version: 1.0\nname: 7\n",
    "nested": "skills:\n  - name: a\n    sha256: b\nruntimes: [a, {b: c}]\n",
    "deep": "a: " + "[" * 40 + "]" * 40 + "\n",
    "tab": "name:\tdemo\n",
    "crlf": f"name: demo\r\nsha256: {HASH}\r\n",
    "upper-case": f"sha256: {HASH.upper()}\n",
    "escaped-key": f'"sha\\x32\\x35\\x36": {HASH}\n',
}
for name, text in YAML.items():
    write("plugin_yaml", name, text)

NAMES = {
    "plain": "molecule-audit", "dots": "a.b-c_d.1", "parent": "..", "dot": ".", "empty": "",
    "traversal": "../../victim", "absolute": "/etc/passwd", "inner-dots": "a..b", "device": "con",
    "device-with-end": "NUL.txt", "end-dot": "name.", "space": "a b", "long": "n" * 64,
    "too-long": "n" * 65, "accent": "caf\u00e9", "escape": "\x1b[31m", "hidden": ".staging-x",
    "option": "-rf", "backslash": "a\\b", "percent": "a%2fb", "query": "a?b#c",
}
for name, text in NAMES.items():
    write("plugin_name", name, text)

PATHS = {
    "plain": "a\0b/c\0plugin.yaml\0setup.sh",
    "order": "x/b\0x.b\0x-b\0x",
    "control": "\x01\x08\x0c\n\r\t\x1f\x7f",
    "quotes": 'a"b\\c/d',
    "accents": "caf\u00e9\0\uffff\0\ue000\0\U0001f600\0\U0010ffff",
    "nested-manifest": "a/plugin.yaml\0plugin.yaml",
    "twice": "a\0a",
}
for name, text in PATHS.items():
    write("manifest_json", name, text)
