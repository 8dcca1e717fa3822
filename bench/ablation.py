"""What each choice in SDGM's defaults is worth: one draw of 100 labels of MNIST, the same CPU time for each.

    python bench/ablation.py BINARY MNIST [--seconds 120] [--seed 11] [--only NAME] [--work FOLDER]

Every row is a `halfmoon bench curve` on one thread at a constant learning rate, stopped once it has spent so many CPU
seconds, looks at the test error left out. CPU time, since other work on the machine then matters less. Rows whose
points are in FOLDER already are not run again. Prints the table of bench/auxiliary.md.
"""

import argparse
import csv
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Name, then what differs from the defaults.
PAPER = ["inference=full", "balance=0", "train.labelled_rows=100", "train.unlabelled_rows=100", "train.rate=1e-3"]
ROWS = [
    ("the defaults", []),
    ("q(y given a, x), q(z given a, y)", ["inference=z_from_a"]),
    ("the paper's inference: q(y given a, x), q(z given a, x, y)", ["inference=full"]),
    ("5 samples of a (`n_mc`)", ["n_mc=5"]),
    ("no normalisation", ["norm=none", "train.rate=1e-3"]),
    ("layer normalisation at the rate of that", ["train.rate=1e-3"]),
    ("weights 1/1/60, 100 + 100 rows", ["labelled=1", "classify=60", *PAPER[2:4]]),
    ("weights 1/1/1200, 100 + 100 rows", ["labelled=1", "classify=1200", *PAPER[2:4]]),
    ("weights 1/1/1, 100 + 100 rows", ["labelled=1", "classify=1", *PAPER[2:4]]),
    ("warm-up of the KL terms, 2,000 steps", ["warm_up=2000"]),
    ("no balance term", ["balance=0"]),
    ("sum over all classes (dead ones left out)", ["sum_over_classes=exact"]),
    ("Gumbel-softmax", ["sum_over_classes=gumbel"]),
    ("straight-through", ["sum_over_classes=straight_through"]),
    ("no gradient clipping", ["train.max_norm=0"]),
    ("the paper's: inference full, no balance, 1/1/60, 100 + 100 rows, rate 1e-3", ["labelled=1", "classify=60", *PAPER]),
]


def main():
    given = arguments()
    work = Path(given.work or tempfile.mkdtemp(prefix="halfmoon-ablation-"))
    print(f"points in {work}", file=sys.stderr)
    print("| changed | steps | ms CPU a step | error at half the time | error |")
    print("| --- | --: | --: | --: | --: |", flush=True)
    for number, (name, settings) in enumerate(ROWS):
        if given.only in name:
            print(line(name, run(given, work / f"{number:02}", settings), given.seconds), flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("mnist")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--only", default="", metavar="NAME")
    parser.add_argument("--work", metavar="FOLDER")
    return parser.parse_args()


def run(given, out, settings):
    """The points of a row, by which it has spent its time."""
    points = read(out)
    if points and points[-1]["cpu"] >= given.seconds:
        return points
    sets = [f"--set=sdgm.{setting}" for setting in ["train.decay=constant", "train.steps=1000000", *settings]]
    command = [given.binary, "bench", "curve", "--data", given.mnist, "--labels", "100", "--models", "sdgm", *sets]
    command += ["--seed", str(given.seed), "--time-per-run", "3h", "--every", "10s", "--out", str(out)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "RAYON_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if given.only else subprocess.DEVNULL,
    )
    while process.poll() is None:
        time.sleep(1)
        points = read(out)
        if points and points[-1]["cpu"] >= given.seconds:
            process.send_signal(signal.SIGINT)
            process.wait()
    points = read(out)
    if not points or points[-1]["cpu"] < given.seconds:
        sys.exit(f"error: this ended before its time: {' '.join(command)}")
    return points


def read(out):
    path = out / "curve.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row.get("error") and row.get("cpu_seconds")]
    return [{"step": int(row["step"]), "cpu": float(row["cpu_seconds"]), "error": float(row["error"])} for row in rows]


def line(name, points, seconds):
    def at(time):
        return next(point for point in points if point["cpu"] >= time)

    end = at(seconds)
    cells = [name, f"{end['step']:,}", f"{1e3 * end['cpu'] / end['step']:.1f}"]
    return "| " + " | ".join([*cells, f"{at(seconds / 2)['error']:.1f} %", f"{end['error']:.1f} %"]) + " |"


if __name__ == "__main__":
    main()
