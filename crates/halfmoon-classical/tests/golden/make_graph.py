"""Writes graph.json beside itself: what scikit-learn's label propagation and label spreading say of 180 points.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python make_graph.py

The graph is made here, dense and naively, and given to scikit-learn as its kernel: its own graph of neighbours is
neither symmetric nor free of self-edges. Both of its classes sum the same things as the papers on such a graph, and
alpha is the share of the neighbours in both. A case of the file:

    x, labels       points [180, 2], and their classes, -1 for none; 3 labels a class
    similarity      of the edges: "binary", "scaled" or the width of a Gaussian
    propagation     rows of F, each divided by its sum [180, 3]
    spreading       the same, for each alpha

Points are binary fractions, so that single precision starts from exactly these numbers.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.semi_supervised import LabelPropagation, LabelSpreading

K, ALPHAS = 10, [0.2, 0.99]


def points(rng):
    centres = np.array([[0.0, 0.0], [2.0, 0.5], [0.5, 2.0]])
    classes = np.repeat(np.arange(3), 60)
    x = centres[classes] + 0.7 * rng.standard_normal((180, 2))
    x = np.round(x * 1024) / 1024
    labels = np.full(180, -1)
    for c in range(3):
        labels[rng.choice(np.flatnonzero(classes == c), 3, replace=False)] = c
    return x, labels


def graph(x, similarity):
    squared = ((x[:, None] - x[None]) ** 2).sum(2)
    np.fill_diagonal(squared, np.inf)
    order = np.sort(squared, axis=1)
    assert (order[:, K - 1] < order[:, K]).all(), "a tie decides who is a neighbour"
    scale = np.sqrt(order[:, K - 1])
    joined = squared <= order[:, K - 1 : K]
    joined |= joined.T
    if similarity == "binary":
        exponent = np.zeros_like(squared)
    elif similarity == "scaled":
        exponent = squared / (2 * scale[:, None] * scale[None])
    else:
        exponent = squared / (2 * similarity**2)
    w = np.where(joined, np.exp(-exponent), 0.0)
    assert w[joined].min() > 1e-6, "an edge is weaker than halfmoon's edges get"
    return w


def shares(model, x, labels):
    model.fit(x, labels)
    return model.label_distributions_.round(10).tolist()


def main():
    x, labels = points(np.random.default_rng(5))
    cases = []
    for similarity in ["binary", "scaled", 0.5]:
        w = graph(x, similarity)
        settings = {"kernel": lambda *_: w.copy(), "tol": 1e-13, "max_iter": 1_000_000}
        cases.append({
            "similarity": similarity,
            "propagation": shares(LabelPropagation(**settings), x, labels),
            "spreading": [shares(LabelSpreading(alpha=alpha, **settings), x, labels) for alpha in ALPHAS],
        })
    golden = {"k": K, "alphas": ALPHAS, "x": x.tolist(), "labels": labels.tolist(), "cases": cases}
    Path(__file__).with_name("graph.json").write_text(json.dumps(golden) + "\n")


main()
