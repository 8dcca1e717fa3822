"""How far each model's confidence and outlier scores can be trusted: the tables of bench/trust.md.

    python3 bench/trust.py target/release/halfmoon target/release/examples/mnist_variants ../shared/data FASHION OUT

Trains into OUT what is not there yet (an hour and a half on one core) and prints the tables. FASHION is the folder of
Fashion-MNIST, on Debian /usr/share/datasets/fashion-mnist.
"""

import json
import pathlib
import subprocess
import sys

HALFMOON, VARIANTS, SHARED, FASHION, OUT = sys.argv[1:]
OUT = pathlib.Path(OUT)
MNIST, ADULT = f"{SHARED}/mnist", f"{SHARED}/adult/adult.data"

DATA = {
    "m": ("MNIST, 100 labels", [MNIST, "--labels", "100"]),
    "f": ("Fashion-MNIST, 1,000 labels", [FASHION, "--labels", "1000"]),
    "a": ("Adult, 100 labels", [ADULT, "--label", "15", "--labels", "100"]),
}
EIGHT = ["--set", "gc_head.head.components=8"]
MODELS = [
    ("supervised", "sup", {}),
    ("`m1m2`", "m1m2", {"f": ["--set", "m1m2.train.steps=20000"], "a": ["--steps", "10000"]}),
    ("`gc_vae`", "gcv", {"f": ["--steps", "20000"], "a": ["--steps", "5000"]}),
    ("`gc_head`", "gch", {"m": EIGHT, "f": EIGHT}),
]
NAMES = {"sup": "supervised", "m1m2": "m1m2", "gcv": "gc_vae", "gch": "gc_head"}


def halfmoon(*arguments, to=None):
    done = subprocess.run([HALFMOON, *map(str, arguments)], stdout=subprocess.PIPE, check=True)
    if to:
        to.write_bytes(done.stdout)


def codes(which, data, name):
    """Codes of an autoencoder that saw the pictures of `which` without labels."""
    encoder, folder = OUT / f"{which}-m1", OUT / name
    if not (encoder / "result.json").exists():
        halfmoon("train", *DATA[which][1], "--model", "m1", "--out", encoder)
    if not folder.exists():
        halfmoon("codes", encoder, data, "--output", folder)
    return folder


def trained(which, model, extra):
    run, data = OUT / f"{which}-{model}", list(DATA[which][1])
    if model == "gch" and which in "mf":
        data[0] = codes(which, data[0], f"{which}-codes")
    if not (run / "result.json").exists():
        halfmoon("train", *data, "--model", NAMES[model], *extra, "--out", run)
    return run


def calibration():
    print("| data | | accuracy | Brier | NLL | NLL at its temperature | ECE | ECE at its temperature |")
    print("| --- | --- | --: | --: | --: | --: | --: | --: |")
    for which, (data, _) in DATA.items():
        for name, model, extra in MODELS:
            result = json.loads((trained(which, model, extra.get(which, [])) / "result.json").read_text())
            plain, at = result["test"], result["test_at_temperature"]
            cells = [f"{100 * plain['accuracy']:.1f} %", f"{plain['brier']:.3f}"]
            for figure in ("nll", "ece"):
                cells += [f"{plain[figure]:.3f}", f"{at[figure]:.3f}" if at else "–"]
            print(f"| {data} | {name} | " + " | ".join(cells) + " |")
            data = ""


def strange(model):
    """Names of outliers, and where `model` finds them: pictures, or their codes."""
    made = OUT / "strange"
    if not made.exists():
        subprocess.run([VARIANTS, MNIST, "strange", made], check=True)
    for name, path, split in [
        ("Fashion-MNIST", FASHION, "test"),
        ("turned", made / "rotated.npy", "train"),
        ("permuted", made / "permuted.npy", "train"),
        ("noise", made / "noise.npy", "train"),
    ]:
        yield name, codes("m", path, f"m-codes-{name}") / f"x_{split}.npy" if model == "gch" else path


def outliers():
    names = [name for name, _ in strange("sup")]
    print("| | score | " + " | ".join(names) + " |")
    print("| --- | --- |" + " --: |" * len(names))
    for name, model, extra in MODELS:
        run, judged = trained("m", model, extra.get("m", [])), OUT / f"eval-{model}.json"
        if not judged.exists():
            items = OUT / "m-codes" if model == "gch" else MNIST
            against = [argument for _, path in strange(model) for argument in ("--ood", path)]
            halfmoon("eval", run, items, *against, "--json", to=judged)
        found = json.loads(judged.read_text())["ood"]
        for score in found[0]["scores"]:
            if found[0]["scores"][score]:
                cells = [f"{against['scores'][score]['auroc']:.3f}" for against in found]
                print(f"| {name} | {score.replace('_', ' ')} | " + " | ".join(cells) + " |")
                name = ""


calibration()
print()
outliers()
