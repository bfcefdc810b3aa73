"""Prints manifest-hash.json: manifest hashes of plugins, computed without any of the crate's code.

The hash is the lower-case hex SHA-256 of what json.dumps makes of [[path, hex SHA-256 of the content], ...], sorted by path as Python
sorts strings, without the plugin.yaml at the root.
"""

import hashlib
import json

# name, path -> content, directories that hold nothing
CASES = [
    ("empty", {}, []),
    ("one file", {"a.txt": "hello\n"}, []),
    ("plugin.yaml at the root is left out", {"plugin.yaml": "name: x\nsha256: deadbeef\n", "a.txt": "hello\n"}, []),
    ("plugin.yaml alone is as good as nothing", {"plugin.yaml": "name: x\n"}, []),
    ("plugin.yaml below the root counts", {"sub/plugin.yaml": "name: y\n", "a.txt": "hello\n"}, []),
    ("files that are almost plugin.yaml count", {"plugin.yml": "1", "plugin.yaml.bak": "2", "xplugin.yaml": "3"}, []),
    (
        "sorted by code point, not by path component",
        {"a/b": "1", "a-b": "2", "a.b": "3", "B": "4", "Z/z": "5", "_": "6"},
        ["a"],
    ),
    ("a directory among its namesakes", {"x/b": "1", "x.b": "2", "x-b": "3", "x0": "4", "x/a/c": "5", "x/a-c": "6"}, []),
    ("empty directories do not count", {"f": "x"}, ["d/e"]),
    (
        "names that JSON escapes",
        {'quo"te': "1", "back\\slash": "2", "tab\there": "3", "new\nline": "4", "\u007fdel": "5", "\u0001ctl": "6"},
        [],
    ),
    ("every short escape", {"\b\f\n\r\t": "1", '"\\"': "2"}, []),
    ("every control character of ASCII", {f"c{chr(code)}": str(code) for code in [*range(1, 32), 127]}, []),
    ("every control character above ASCII", {f"c{chr(code)}": str(code) for code in range(128, 160)}, []),
    ("what needs no escape", {"!#$%&'()*+,-.0:;<=>?@[]^_`{|}~ ": "1"}, []),
    (
        "names outside ASCII",
        {
            "\u00e9.txt": "1",
            "e\u0301.txt": "2",
            "\u65e5\u672c/\u8a9e.md": "3",
            "\U0001f600.md": "4",
            "\ue000private": "5",
            "\U00010000astral": "6",
        },
        [],
    ),
    (
        "sorted by code point, not by UTF-16 unit",
        {"\U00010000": "1", "\uffff": "2", "\ufffd": "3", "\ue000": "4", "\ud7ff": "5", "\U0010ffff": "6"},
        [],
    ),
    ("the ends of the UTF-8 lengths", {"\u0080": "1", "\u07ff": "2", "\u0800": "3", "~": "4", "\U000103ff": "5", "\U00010400": "6"}, []),
    ("line separators and marks", {"\u2028": "1", "\u2029": "2", "\ufeff": "3", "\u202e": "4", "\u200d": "5"}, []),
    ("binary and empty content", {"zero": "", "nul": "\u0000\u0001\u0002"}, []),
    ("hidden files count", {".git/config": "x", ".env": "y"}, []),
    ("executable bit does not count", {"setup.sh": "#!/bin/sh\necho hi\n"}, []),
    ("deep", {"/".join(f"d{level}" for level in range(60)) + "/f": "deep"}, []),
    ("long", {"n" * 200 + "/" + "m" * 255: "long"}, []),
    ("many", {f"{index % 7}/{index}": str(index) for index in range(300)}, []),
]


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def vector(name, files, directories):
    pairs = [(path, sha256(files[path].encode("utf-8"))) for path in sorted(files) if path != "plugin.yaml"]
    manifest_json = json.dumps(pairs)
    return {
        "name": name,
        "files": files,
        "directories": directories,
        "manifest_json": manifest_json,
        "sha256": sha256(manifest_json.encode("utf-8")),
    }


print(
    json.dumps(
        {
            "about": "Manifest hashes of plugins, and the texts that are hashed; the same values as the Python SDK computes.",
            "vectors": [vector(*case) for case in CASES],
        },
        indent=1,
    )
)
