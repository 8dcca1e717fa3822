"""Times the answers of `halfmoon stream`: rows are written one by one, each after the answer to the one before it.

    python3 bench/stream.py HALFMOON RUN ITEMS.csv|.jsonl [ROWS] [-- further arguments of `stream`]

Prints the median, the 95th and the 99th percentile and the longest time from a row to its answer, in milliseconds. The first line of a
table names its columns.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

arguments = sys.argv[1:]
further = []
if "--" in arguments:
    at = arguments.index("--")
    arguments, further = arguments[:at], arguments[at + 1 :]
halfmoon, run, items = arguments[:3]
count = int(arguments[3]) if len(arguments) > 3 else 2000
with open(items, "rb") as file:
    lines = [line for line in file if line.strip()]
is_table = not lines[0].lstrip().startswith(b"{")
header, rows = (lines[0], lines[1:]) if is_table else (b"", lines)
rows = [rows[at % len(rows)] for at in range(count)]

with tempfile.TemporaryDirectory(dir=os.path.dirname(os.path.abspath(items))) as folder:
    command = [halfmoon, "stream", run, "--state", f"{folder}/state.jsonl", "--as", "jsonl", *further]
    stream = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    answers = stream.stdout
    stream.stdin.write(header)
    times = []
    for row in rows:
        begun = time.perf_counter()
        stream.stdin.write(row if row.endswith(b"\n") else row + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            some = answers.read(65536)
            if not some:
                sys.exit("the stream ended before its last answer")
            answer += some
        times.append((time.perf_counter() - begun) * 1000)
    stream.stdin.close()
    stream.wait()

cut = statistics.quantiles(times[1:], n=100, method="inclusive")
load = os.getloadavg()[0]
print(
    f"{count} rows: p50 {cut[49]:.2f} ms, p95 {cut[94]:.2f} ms, p99 {cut[98]:.2f} ms, longest {max(times[1:]):.2f} ms, "
    f"the first {times[0]:.2f} ms; load {load:.1f}"
)
