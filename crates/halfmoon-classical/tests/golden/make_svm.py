"""Writes svm.json beside itself: what scikit-learn makes of a few rows.

    pip install scikit-learn==1.9.1 numpy==2.4.6
    python make_svm.py

    x, y        40 rows [40, 3] with two classes that overlap; y3: three classes for the same rows
    at          10 other rows [10, 3]
    svc         kernel, c, gamma and decision_function(at); positive means class 1
    scale       gamma="scale" of x
    logistic    c, coefficients [3, 3] and intercepts [3] for standardised columns, probabilities [10, 3] of at

Rows are binary fractions, so that a program in f32 starts from exactly these numbers.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

rng = np.random.default_rng(7)


def fractions(x):
    return np.round(x * 64) / 64


y = np.arange(40) % 2
y3 = np.arange(40) % 3
x = fractions(rng.normal(size=(40, 3)) + np.stack([1.5 * y, 0.8 * y3, 0.3 * y * y3], axis=1))
x[:, 2] *= 4
at = fractions(rng.normal(size=(10, 3)) * [1, 1, 4])

svc = []
for kernel, c, gamma in [("rbf", 1.0, 0.25), ("rbf", 10.0, "scale"), ("linear", 0.5, "scale")]:
    machine = SVC(kernel=kernel, C=c, gamma=gamma, tol=1e-9).fit(x, y)
    gamma = None if gamma == "scale" else gamma
    svc.append({"kernel": kernel, "c": c, "gamma": gamma, "decisions": machine.decision_function(at).tolist()})

scaler = StandardScaler().fit(x)
logistic = []
for c in [1.0, 0.01]:
    model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000).fit(scaler.transform(x), y3)
    # Softmax allows any number to be added to all intercepts.
    logistic.append({
        "c": c,
        "coefficients": model.coef_.tolist(),
        "intercepts": (model.intercept_ - model.intercept_.mean()).tolist(),
        "probabilities": model.predict_proba(scaler.transform(at)).tolist(),
    })

golden = {
    "x": x.tolist(), "y": y.tolist(), "y3": y3.tolist(), "at": at.tolist(),
    "svc": svc, "scale": 1 / (x.shape[1] * x.var()), "logistic": logistic,
}
Path(__file__).with_name("svm.json").write_text(json.dumps(golden) + "\n")
