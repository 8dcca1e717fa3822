"""Pictures of CIFAR-10's shape, in its binary files: a class is a colour and a direction of stripes, with noise. For a try from end to end where the real ones
are not at hand.

    python3 bench/made_cifar.py FOLDER
"""

import sys
from pathlib import Path

import numpy as np

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rng = np.random.default_rng(1)


def batch(n):
    y = rng.integers(0, 10, n).astype(np.uint8)
    yy, xx = np.mgrid[0:32, 0:32] / 32.0
    out = np.zeros((n, 3073), np.uint8)
    for i, c in enumerate(y):
        angle = np.pi * c / 10 + rng.normal(0, 0.08)
        phase = rng.uniform(0, 2 * np.pi)
        wave = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * (xx * np.cos(angle) + yy * np.sin(angle)) + phase)
        tint = 0.5 + 0.5 * np.cos(2 * np.pi * (np.arange(3) / 3 + c / 10)) 
        img = wave[None] * tint[:, None, None] * 0.7 + 0.15 + rng.normal(0, 0.12, (3, 32, 32))
        out[i, 0] = c
        out[i, 1:] = (np.clip(img, 0, 1) * 255).astype(np.uint8).reshape(-1)
    return out


for b in range(1, 6):
    batch(1000).tofile(folder / f"data_batch_{b}.bin")
batch(1000).tofile(folder / "test_batch.bin")
(folder / "batches.meta.txt").write_text("\n".join("airplane automobile bird cat deer dog frog horse ship truck".split()) + "\n")
