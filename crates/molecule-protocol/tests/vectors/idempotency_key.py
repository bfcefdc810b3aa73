"""Prints idempotency-key.json: the platform's idempotency keys, computed without any of the crate's code.

A key is the lower-case hex SHA-256 of "<task>:<minute>", where <minute> is the Unix time in whole seconds, rounded
down to a full minute.
"""

import hashlib
import json

CASES = [
    ("write the report", 1767225600),
    ("write the report", 1767225659.999),
    ("write the report", 1767225660),
    ("", 0),
    ("\u00fcn\u00efc\u00f6d\u00e9 \U0001f600\n\"q\"", 1800000000.5),
    ("a:b", 1234567890),
]


def key(task, unix_time):
    seconds = int(unix_time)
    return hashlib.sha256(f"{task}:{seconds - seconds % 60}".encode("utf-8")).hexdigest()


print(
    json.dumps(
        {
            "about": "Idempotency keys of a delegated task at a given time; the same values as the Python SDK computes.",
            "vectors": [{"task": task, "unix_time": time, "key": key(task, time)} for task, time in CASES],
        },
        indent=1,
    )
)
