"""Writes trust.json beside itself: what scikit-learn says of random answers and random outlier scores.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python trust.py

The file:

    outliers        scores of normal items and of outliers, higher for outliers, some of them equal; the area under the
                    curve and the curve (share of normal items, share of outliers flagged), the average precision of
                    either kind, and the share of outliers that pass where 95 % of the normal items do
    answers         probabilities [n, c] and classes: mean log loss, Brier score, the reliability diagram in 10 bins of
                    equal width (accuracy and mean confidence of those with items), and the temperature
    codes           codes [n, h] of known classes: distances of other codes from the nearest class under the pooled
                    covariance, shrunk by 0.05
"""

import json
from pathlib import Path

import numpy as np
from sklearn.calibration import _TemperatureScaling, calibration_curve
from sklearn.covariance import ShrunkCovariance
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score, roc_curve


def outliers(rng, normal, strange, decimals):
    normal = np.round(rng.standard_normal(normal), decimals)
    strange = np.round(1.0 + 1.5 * rng.standard_normal(strange), decimals)
    scores = np.concatenate([normal, strange])
    is_strange = np.repeat([0, 1], [len(normal), len(strange)])
    false_alarms, found, _ = roc_curve(is_strange, scores, drop_intermediate=False)
    accepted, kept, _ = roc_curve(1 - is_strange, -scores, drop_intermediate=False)
    return {
        "normal": normal.tolist(),
        "outliers": strange.tolist(),
        "auroc": roc_auc_score(is_strange, scores),
        "aupr_in": average_precision_score(1 - is_strange, -scores),
        "aupr_out": average_precision_score(is_strange, scores),
        "fpr_at_tpr95": accepted[np.argmax(kept >= 0.95)],
        "roc": np.stack([false_alarms, found], axis=1).tolist(),
    }


def answers(rng, n, c, sureness):
    logits = rng.standard_normal((n, c)) * 2.0
    softmax = lambda l: np.exp(l - l.max(1, keepdims=True)) / np.exp(l - l.max(1, keepdims=True)).sum(1, keepdims=True)
    classes = np.array([rng.choice(c, p=p) for p in softmax(logits)])
    # As a model gives them, in single precision.
    probs = softmax(sureness * logits).astype(np.float32).astype(float)
    right = (probs.argmax(1) == classes).astype(int)
    accuracy, confidence = calibration_curve(right, probs.max(1), n_bins=10)
    return {
        "probs": probs.tolist(),
        "classes": classes.tolist(),
        "nll": log_loss(classes, probs, labels=range(c)),
        "brier": brier_score_loss(classes, probs, labels=range(c), scale_by_half=False),
        "accuracy": accuracy.tolist(),
        "confidence": confidence.tolist(),
        # It returns the inverse.
        "temperature": float(1.0 / _TemperatureScaling().fit(np.log(probs), classes).beta_),
    }


def codes(rng):
    mix = rng.standard_normal((4, 4))
    classes = rng.integers(0, 3, 60)
    x = (rng.standard_normal((60, 4)) @ mix + 3.0 * classes[:, None]).astype(np.float32).astype(float)
    others = (4.0 * rng.standard_normal((10, 4))).astype(np.float32).astype(float)
    means = np.stack([x[classes == c].mean(0) for c in range(3)])
    fitted = ShrunkCovariance(shrinkage=0.05, assume_centered=True).fit(x - means[classes])
    squared = np.stack([fitted.mahalanobis(others - mean) for mean in means])
    return {
        "x": x.tolist(),
        "classes": classes.tolist(),
        "others": others.tolist(),
        "distances": np.sqrt(squared.min(0)).tolist(),
    }


def main():
    rng = np.random.default_rng(20)
    golden = {
        "outliers": [outliers(rng, 60, 40, 3), outliers(rng, 40, 25, 1), outliers(rng, 25, 80, 0)],
        "answers": [answers(rng, 80, 3, 1.0), answers(rng, 60, 5, 3.0), answers(rng, 60, 2, 0.4)],
        "codes": codes(rng),
    }
    Path(__file__).with_name("trust.json").write_text(json.dumps(golden) + "\n")


main()
