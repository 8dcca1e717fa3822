"""Times our steps beside PyTorch's and onnxruntime's, in turn on the same machine, and writes bench/step.md.

    python bench/compare.py OURS_BINARY [--threads 2] [--pairs 12] [--only PREFIX] [--out FILE]

OURS_BINARY WORKLOAD THREADS speaks as torch_step.py does. The Python that runs this file needs
torch, numpy, onnx and onnxruntime. Some ten minutes; nothing else should keep the machine busy
meanwhile. What stands in step.md from a line `<!-- kept -->` on is written by hand and stays. With --only
nothing is written unless --out says where, since the table would be a part of it.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
KEPT = "<!-- kept -->"
TURN_SECONDS = 0.5
PEAK_PAIRS = 4
PEAK_MACS = 1024**3  # of `matmul`


@dataclass
class Comparison:
    ours: str  # our workload
    theirs: str  # torch_step.py's
    name: str  # what theirs is
    bar: float | None = None  # our time is at most this share of theirs
    aim: float | None = None
    fused: bool = False


FUSED = "PyTorch, fused Adam"


def comparisons():
    rows = []
    for vae in ("vae-100", "vae-1000"):
        rows += [Comparison(vae, vae, "PyTorch", 1.0, 0.7), Comparison(vae, vae, FUSED, fused=True)]
    for m2 in ("m2-500-100+100", "m2-500-1+499", "m2-500-500-100+100", "m2-500-500-1+499"):
        rows += [
            Comparison(m2, f"{m2}-usual", "PyTorch, usual", 0.6, 0.4),
            Comparison(m2, f"{m2}-split", "PyTorch, split", 1.0, 0.8),
            Comparison(m2, f"{m2}-split", f"{FUSED}, split", fused=True),
        ]
    for model in ("adgm-1", "adgm-5", "sdgm-1", "sdgm-5"):
        rows += [
            Comparison(model, f"{model}-usual", "PyTorch, usual", 0.5, 0.4),
            Comparison(model, f"{model}-split", "PyTorch, split", 1.0, 0.8),
            Comparison(model, f"{model}-split", f"{FUSED}, split", fused=True),
        ]
    # Of the same work, what ours need not do: classes that a sure classifier rules out, or all but two.
    for way in ("sdgm-1-live", "sdgm-1-two"):
        rows.append(Comparison(way, "sdgm-1-usual", "PyTorch, usual, all classes"))
    for wrn in ("wrn-forward", "wrn-input", "wrn-step", "wrn-jem", "wrn-proximal"):
        rows.append(Comparison(wrn, wrn, "PyTorch", 1.2, 0.8))
    rows += [
        Comparison("wrn-step", "wrn-step", FUSED, fused=True),
        Comparison("predict", "predict", "PyTorch"),
        Comparison("predict", "predict-onnx", "onnxruntime", 1.0, 0.7),
    ]
    return rows


def main():
    given = arguments()
    rows = [row for row in comparisons() if row.ours.startswith(given.only)]
    if not rows:
        known = dict.fromkeys(row.ours for row in comparisons())
        sys.exit(f"error: no workload begins with `{given.only}`; they are {', '.join(known)}")
    load = os.getloadavg()[0]
    before = measured_peak(given)
    print(f"peak before: {before}", flush=True)
    print(HEAD, flush=True)
    outcomes = []
    for row in rows:
        outcomes.append(compare(row, given, given.pairs))
        print(line(row, outcomes[-1], before.best), flush=True)
    after = measured_peak(given)
    print(f"peak after: {after}", flush=True)
    if given.out:
        best = max(before.best, after.best)
        write(given, [line(*each, best) for each in zip(rows, outcomes)], load, before, after)


@dataclass
class Outcome:
    ours: list[float]  # the median of each turn, in seconds
    theirs: list[float]
    macs: int | None  # of one iteration of ours
    peaks_mb: tuple[float, float]
    disturbance: float  # share of the machine that other processes had during the turns


def compare(row, given, pairs):
    """Ours and theirs by turns, both alive all the time, so that what slows the machine slows both."""
    theirs = [sys.executable, str(ROOT / "bench/torch_step.py")]
    with (
        Worker([given.binary], row.ours, given.threads) as a,
        Worker(theirs, row.theirs, given.threads, row.fused) as b,
    ):
        iterations = max(2, round(TURN_SECONDS / max(median(a.turn(2)), median(b.turn(2)))))
        clock = Clock(a, b)
        turns_a, turns_b = [], []
        for _ in range(pairs):
            for worker, turns in ((a, turns_a), (b, turns_b)):
                # OpenMP's threads spin for a while after their last work, since more may come. Telling
                # them not to would slow PyTorch down, so they are given the time to fall asleep.
                time.sleep(0.2)
                clock.start()
                turns.append(median(worker.turn(iterations)))
                clock.stop()
        return Outcome(turns_a, turns_b, a.macs, (a.finish(), b.finish()), clock.disturbance())


class Worker:
    """A process that runs a workload whenever it is told to."""

    def __init__(self, command, workload, threads, fused=False):
        self.title = f"{Path(command[-1]).name} {workload}"
        counts = dict.fromkeys(("RAYON_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self.stderr = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*command, workload, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.stderr,
            text=True,
            env=os.environ | counts | {"HALFMOON_TORCH_FUSED": str(int(fused))},
        )
        try:
            self.macs = self.hear("ready")["macs"]
        except BaseException:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def turn(self, iterations):
        try:
            self.process.stdin.write(f"{iterations}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died, which `hear` reports
        return self.hear("seconds")["seconds"]

    def finish(self):
        self.process.stdin.close()
        return self.hear("peak_mb")["peak_mb"]

    def hear(self, what):
        said = self.process.stdout.readline()
        try:
            answer = json.loads(said)
            if what in answer:
                return answer
        except json.JSONDecodeError:
            pass
        if said:
            self.process.kill()
        code = self.process.wait()
        self.stderr.seek(0)
        sys.stderr.write(self.stderr.read())
        happened = f"it said {said.strip()!r}" if said else f"it ended with {code}"
        sys.exit(f"error: {self.title}: {happened} where `{what}` was due")


class Clock:
    """How much of the machine others had while ours or theirs was at work, by the kernel's counts."""

    def __init__(self, *workers):
        self.workers = workers
        self.seconds = self.foreign = 0.0

    def start(self):
        self.started = time.perf_counter(), self.foreign_seconds()

    def stop(self):
        then, foreign = self.started
        self.seconds += time.perf_counter() - then
        self.foreign += self.foreign_seconds() - foreign

    def disturbance(self):
        return max(0.0, self.foreign / (self.seconds * os.cpu_count()))

    def foreign_seconds(self):
        user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = fields("/proc/stat", after="cpu ")
        busy = user + nice + system + irq + softirq + steal
        for worker in self.workers:
            utime, stime = fields(f"/proc/{worker.process.pid}/stat", after=") ", skip=11)[:2]
            busy -= utime + stime
        return busy / os.sysconf("SC_CLK_TCK")


def fields(path, after, skip=0):
    text = Path(path).read_text().split(after, 1)[1]
    return [int(field) for field in text.splitlines()[0].split()[skip:]]


@dataclass
class Peak:
    ours: float  # GFLOP/s
    theirs: float

    @property
    def best(self):
        return max(self.ours, self.theirs)

    def __str__(self):
        return f"{self.ours:.0f} GFLOP/s ours, {self.theirs:.0f} PyTorch's"


def measured_peak(given):
    outcome = compare(Comparison("matmul", "matmul", "PyTorch"), given, PEAK_PAIRS)
    return Peak(gflops(PEAK_MACS, outcome.ours), gflops(PEAK_MACS, outcome.theirs))


def gflops(macs, seconds):
    return 2e-9 * macs / median(seconds)


HEAD = """\
| ours | beside | ours, ms | theirs, ms | ratio | pairs: median, range | GFLOP/s | of peak | ours, MB | theirs, MB | others | bar (aim) | met |
| --- | --- | --: | --: | --: | --- | --: | --: | --: | --: | --: | --- | --- |"""

MEANING = """\
A turn is about half a second of iterations and counts as their median; `ms` is the median of a side's turns, `ratio`
ours / theirs of these (below 1: ours is faster), `pairs` the same for each two turns that followed one another; `GFLOP/s`
are twice our multiply-accumulates a second, `of peak` their share of the best `matmul` above; `MB` is the most that a
process ever held, its libraries included; `others` is the share of the machine that other processes had during the
turns: more than a few per cent spoils a row, and PyTorch's side of it more than ours; `met` says whether the ratio is
at most the bar, or even the aim."""


def line(row, outcome, peak):
    ours, theirs = median(outcome.ours), median(outcome.theirs)
    ratio = ours / theirs
    pairs = [a / b for a, b in zip(outcome.ours, outcome.theirs)]
    speed = share = bar = met = "–"
    if outcome.macs:
        speed = f"{gflops(outcome.macs, outcome.ours):.0f}"
        share = f"{gflops(outcome.macs, outcome.ours) / peak:.0%}"
    if row.bar:
        bar = f"{row.bar} ({row.aim})"
        met = "aim" if ratio <= row.aim else "bar" if ratio <= row.bar else "**no**"
    cells = [
        f"`{row.ours}`",
        row.name,
        f"{1e3 * ours:.2f}",
        f"{1e3 * theirs:.2f}",
        f"{ratio:.2f}",
        f"{median(pairs):.2f}, {min(pairs):.2f}–{max(pairs):.2f}",
        speed,
        share,
        *(f"{peak_mb:.0f}" for peak_mb in outcome.peaks_mb),
        f"{outcome.disturbance:.0%}",
        bar,
        met,
    ]
    return f"| {' | '.join(cells)} |"


def write(given, lines, load, before, after):
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    facts = [
        time.strftime("%Y-%m-%d"),
        f"{cpu[1] if cpu else platform.processor()}, {os.cpu_count()} cores",
        f"{given.threads} threads, {given.pairs} pairs",
        f"load average {load:.1f} before",
        f"Python {platform.python_version()}",
        *(f"{library} {version(library)}" for library in ("torch", "onnxruntime")),
        shell("rustc", "-V"),
        f"halfmoon {shell('git', 'describe', '--always', '--dirty')}",
        f"peak (`matmul`, 1024³) {before}, and {after} afterwards",
    ]
    out = Path(given.out)
    kept = re.search(rf"^{re.escape(KEPT)}$.*", out.read_text(), re.M | re.S) if out.exists() else None
    header = f"Written by `bench/compare.py`. {'; '.join(facts)}."
    parts = ["# Steps beside PyTorch's", header, "\n".join([HEAD, *lines]), MEANING]
    out.write_text("\n\n".join(parts) + "\n" + (f"\n{kept[0]}" if kept else ""))


def shell(*command):
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def arguments():
    known = argparse.ArgumentParser(description="Times our steps beside PyTorch's and onnxruntime's.")
    known.add_argument("binary", metavar="OURS_BINARY", help="speaks as torch_step.py does")
    known.add_argument("--threads", type=int, default=2, metavar="N")
    known.add_argument("--pairs", type=int, default=12, metavar="N")
    known.add_argument("--only", default="", metavar="PREFIX", help="workloads of ours that begin so")
    known.add_argument("--out", metavar="FILE", help="by default bench/step.md, or nowhere with --only")
    given = known.parse_args()
    if given.threads < 1 or given.pairs < 1:
        known.error("--threads and --pairs are 1 or more")
    if not os.access(given.binary, os.X_OK):
        known.error(f"{given.binary} is no program; build it first")
    # As a path: a bare name would be looked for on $PATH.
    given.binary = str(Path(given.binary).resolve())
    if given.out is None and not given.only:
        given.out = str(ROOT / "bench/step.md")
    return given


if __name__ == "__main__":
    main()
