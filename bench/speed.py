"""Measures how fast the program starts, reads and answers, and writes bench/speed.md.

    python bench/speed.py TARGET MNIST

TARGET is cargo's folder, with release builds of the binary and of the example `read`.
"""

import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

target, mnist = sys.argv[1:]
halfmoon, read = f"{target}/release/halfmoon", f"{target}/release/examples/read"
rows = []
load = os.getloadavg()[0]


def shell(line):
    return subprocess.run(line, shell=True, check=True, capture_output=True, text=True).stdout.strip()


def row(what, measured, aim, command):
    rows.append((what, measured, aim, command))
    print(f"{what}: {measured}", flush=True)


def median_seconds(times, command):
    """Wall clock of a command that has run once before, so that its files are in memory."""
    seconds = []
    for _ in range(times + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def table(path, items, columns):
    """Numbers drawn from a hundred thousand, and one label in a hundred."""
    draw = random.Random(1)
    pool = [f"{draw.gauss(0, 1):.6g}" for _ in range(100_000)]
    with open(path, "w") as out:
        out.write(",".join(f"c{column}" for column in range(columns)) + ",label\n")
        for item in range(items):
            label = "" if item % 100 else str(item // 100 % 2)
            out.write(",".join(draw.choices(pool, k=columns)) + f",{label}\n")


seconds = median_seconds(20, [halfmoon, "--version"])
row("start, median of 20", f"{1000 * seconds:.1f} ms", "50 ms", "halfmoon --version")

megabytes = os.path.getsize(halfmoon) / 1e6
row("size of the binary", f"{megabytes:.1f} MB", "40 MB", "ls -l target/release/halfmoon")

row("reading MNIST", shell(f"{read} {mnist}"), "1 s", f"cargo run --release -p halfmoon-pool --example read -- {mnist}")

with tempfile.TemporaryDirectory(prefix="halfmoon-bench-") as work:
    table(f"{work}/table.csv", 1_000_000, 20)
    size = os.path.getsize(f"{work}/table.csv") / 1e6
    said = shell(f"{read} {work}/table.csv label")
    row(f"reading a table of 20 numeric columns and a label, {size:.0f} MB", said, "30 s, 2000 MB",
        "cargo run --release -p halfmoon-pool --example read -- table.csv label")
    os.remove(f"{work}/table.csv")

    train = f"train {mnist} --labels 100 --steps 20"
    subprocess.run([halfmoon, *train.split(), "--out", f"{work}/run"], check=True, capture_output=True)
    images = f"{mnist}/t10k-images-idx3-ubyte.gz"
    command = [halfmoon, "predict", f"{work}/run", images, "--model", "m2", "-o", f"{work}/answers.csv"]
    seconds = median_seconds(5, command)
    answers = sum(1 for _ in open(f"{work}/answers.csv")) - 1
    assert answers == 10_000, answers
    row("m2 answering MNIST's 10,000 test pictures, density included, median of 5", f"{seconds:.2f} s", "2 s",
        f"halfmoon {train} --out run; halfmoon predict run {images} -o answers.csv")

cpu = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
facts = [
    f"{cpu[1] if cpu else platform.processor()}, {os.cpu_count()} cores",
    f"{time.strftime('%Y-%m-%d')}",
    shell(f"{halfmoon} --version"),
    shell("rustc --version"),
    f"Linux {platform.release()}",
    f"load average {load:.1f} before the first measurement",
]
path = "bench/speed.md"
before = open(path).read() if os.path.exists(path) else ""
cold = re.search(r"^cold release build: .*$", before, re.M)
lines = [
    "# Speed",
    "",
    f"Written by `bench/run`; medians are of wall clock, files being in memory. {'; '.join(facts)}.",
    "",
    "| what | measured | aim | command |",
    "| --- | --- | --- | --- |",
    *(f"| {what} | {measured} | {aim} | `{command}` |" for what, measured, aim, command in rows),
    "",
    cold[0] if cold else "cold release build: see bench/run --cold",
]
with open(path, "w") as out:
    out.write("\n".join(lines) + "\n")
