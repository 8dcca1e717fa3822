"""Writes m2.json beside itself: M2's loss and its gradients, for fixed weights, inputs and noise.

    pip install torch==2.15.0 numpy==2.4.6
    python make.py

Everything is spelled naively, in float64 on the CPU: inputs are concatenated, classes are looped over.
That is the point: it checks an implementation that does neither.

Paper: Kingma, Rezende, Mohamed, Welling, "Semi-supervised Learning with Deep Generative Models",
arXiv:1406.5298, equations 6 to 9. A case of the file:

    dims, activation, layers, likelihood    what the model is; `layers` counts hidden layers a network
    weights         name -> {shape, data}; a linear layer is x @ weight + bias
    x, y, u         labelled inputs [n, d], their classes one-hot [n, c], unlabelled inputs [r, d]
    eps_l, eps_u    noise of z, [n, 1, m] and [r, c, m]: one draw a labelled row, one a row and class
    term_weights    of the three means in the total
    expected        labelled L(x, y) [n], per_class L(u, c) [r, c], unlabelled U(u) [r], classify -log q(y|x) [n],
                    means of the first, third and fourth, total, and gradients of the total by name

Weights, inputs and noise are binary fractions, so that an engine in f32 starts from exactly these numbers.
"""

import json
import math
import re
from pathlib import Path

import numpy as np
import torch
from torch import distributions as dist
from torch.nn.functional import logsigmoid, log_softmax, one_hot

torch.set_default_dtype(torch.float64)

D, C, M, H, N, R = 6, 3, 2, 5, 4, 5
TERM_WEIGHTS = {"labelled": 0.3, "unlabelled": 0.7, "classify": 2.5}
ACTIVATIONS = {"softplus": torch.nn.functional.softplus, "relu": torch.relu}

# name, seed, activation, hidden layers, likelihood
CASES = [
    ("softplus", 1, "softplus", 1, "bernoulli"),
    ("relu", 22, "relu", 2, "bernoulli"),
    ("mixed", 6, "relu", 2, "mixed"),
]


class M2:
    def __init__(self, weights, activation, layers, likelihood):
        self.w = weights
        self.activation = ACTIVATIONS[activation]
        self.layers = layers
        self.log_p_x = {"bernoulli": self.log_bernoulli, "mixed": self.log_mixed}[likelihood]

    def trunk(self, network, *groups):
        """The hidden units of `network`, given its inputs in the order of their names."""
        names = {"q_y": ["x"], "q_z": ["x", "y"], "p_x": ["y", "z"]}[network]
        first = torch.cat([self.w[f"{network}.first.{name}"] for name in names], dim=0)
        hidden = self.activation(torch.cat(groups, dim=1) @ first + self.w[f"{network}.first.bias"])
        for layer in range(self.layers - 1):
            hidden = self.activation(self.linear(f"{network}.hidden.{layer}", hidden))
        return hidden

    def linear(self, name, x):
        return x @ self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def log_q_y(self, x):
        """log q(y | x) of every class: [n, c]"""
        return log_softmax(self.linear("q_y.logits", self.trunk("q_y", x)), dim=1)

    def q_z(self, x, y):
        trunk = self.trunk("q_z", x, y)
        return self.linear("q_z.mean", trunk), self.linear("q_z.log_var", trunk)

    def p_x(self, y, z):
        return self.linear("p_x.out", self.trunk("p_x", y, z))

    def log_bernoulli(self, x, logits):
        """log p(x | y, z) of grey values in [0, 1]: [n]"""
        return (x * logsigmoid(logits) + (1 - x) * logsigmoid(-logits)).sum(1)

    def log_mixed(self, x, out):
        """Two numbers, a yes or no, and a category of three: [n]"""
        t = self.w["p_x.log_var"]
        numbers = -0.5 * (math.log(2 * math.pi) + t + (x[:, :2] - out[:, :2]) ** 2 * torch.exp(-t))
        yes_no = self.log_bernoulli(x[:, 2:3], out[:, 2:3])
        category = (x[:, 3:] * log_softmax(out[:, 3:], dim=1)).sum(1)
        return numbers.sum(1) + yes_no + category

    def labelled(self, x, y, eps):
        """L(x, y) = -[log p(x|y,z) + log p(y) - KL(q(z|x,y) || N(0, I))], with noise [n, m]: [n]"""
        mean, log_var = self.q_z(x, y)
        z = mean + torch.exp(log_var / 2) * eps
        kl = 0.5 * (mean**2 + torch.exp(log_var) - 1 - log_var).sum(1)
        return -(self.log_p_x(x, self.p_x(y, z)) + math.log(1 / C) - kl)

    def per_class(self, u, eps):
        """L(u, c) of every class: [r, c]"""
        columns = []
        for c in range(C):
            y = one_hot(torch.full((len(u),), c), C).double()
            columns.append(self.labelled(u, y, eps[:, c]))
        return torch.stack(columns, dim=1)

    def terms(self, x, y, u, eps_l, eps_u):
        per_class = self.per_class(u, eps_u)
        log_q = self.log_q_y(u)
        unlabelled = torch.zeros(len(u))
        for c in range(C):
            unlabelled = unlabelled + torch.exp(log_q[:, c]) * (per_class[:, c] + log_q[:, c])
        return {
            "labelled": self.labelled(x, y, eps_l[:, 0]),
            "per_class": per_class,
            "unlabelled": unlabelled,
            "classify": -(y * self.log_q_y(x)).sum(1),
        }


def total(terms):
    return sum(weight * terms[name].mean() for name, weight in TERM_WEIGHTS.items())


def shapes(layers, likelihood):
    """The parameters of a model, in the order in which they are drawn."""
    inputs = {"q_y": {"x": D}, "q_z": {"x": D, "y": C}, "p_x": {"y": C, "z": M}}
    heads = {"q_y": {"logits": C}, "q_z": {"mean": M, "log_var": M}, "p_x": {"out": D}}
    of = {}
    for network, groups in inputs.items():
        of |= {f"{network}.first.{name}": (size, H) for name, size in groups.items()}
        of[f"{network}.first.bias"] = (H,)
        for layer in range(layers - 1):
            of |= {f"{network}.hidden.{layer}.weight": (H, H), f"{network}.hidden.{layer}.bias": (H,)}
        for head, size in heads[network].items():
            of |= {f"{network}.{head}.weight": (H, size), f"{network}.{head}.bias": (size,)}
    if likelihood == "mixed":
        of["p_x.log_var"] = (2,)
    return of


def fraction(array):
    """To the nearest 1024th."""
    return torch.tensor(np.round(np.asarray(array) * 1024) / 1024)


def draw_inputs(rng, rows, likelihood):
    if likelihood == "bernoulli":
        x = rng.random((rows, D))
        x[0, :2] = [0, 1]  # black and white are grey values too
        return fraction(x)
    category = np.eye(3)[rng.permutation(np.arange(rows) % 3)]
    yes_no = rng.permutation(np.arange(rows) % 2)[:, None]
    return fraction(np.concatenate([rng.normal(size=(rows, 2)), yes_no, category], axis=1))


def make(seed, activation, layers, likelihood):
    rng = np.random.default_rng(seed)
    weights = {name: fraction(rng.normal(0, 0.5, shape)) for name, shape in shapes(layers, likelihood).items()}
    batch = {
        "x": draw_inputs(rng, N, likelihood),
        "y": one_hot(torch.tensor(rng.permutation(np.arange(N) % C)), C).double(),
        "u": draw_inputs(rng, R, likelihood),
        "eps_l": fraction(rng.normal(size=(N, 1, M))),
        "eps_u": fraction(rng.normal(size=(R, C, M))),
    }
    for weight in weights.values():
        weight.requires_grad_()
    model = M2(weights, activation, layers, likelihood)
    terms = model.terms(**batch)
    loss = total(terms)
    loss.backward()

    check_by_torch_distributions(model, batch, terms, likelihood)
    check_kinks_are_far(model, batch)
    check_gradients_reach(model)
    check_finite_differences(model, batch, rng)

    return {
        "dims": {"d": D, "c": C, "m": M, "h": H, "n": N, "r": R},
        "activation": activation,
        "layers": layers,
        "likelihood": likelihood,
        "weights": {name: tensor(weight) for name, weight in weights.items()},
        **{name: tensor(value) for name, value in batch.items()},
        "term_weights": TERM_WEIGHTS,
        "expected": {
            **{name: rounded(values) for name, values in terms.items()},
            "means": {name: rounded(terms[name].mean()) for name in TERM_WEIGHTS},
            "total": rounded(loss),
            "gradients": {name: tensor(weight.grad) for name, weight in weights.items()},
        },
    }


@torch.no_grad()
def check_by_torch_distributions(model, batch, terms, likelihood):
    """One row and class at a time, every density by torch.distributions; U = E_q[L(u, c)] - H(q)."""

    def bound(x, c, eps):
        y = torch.eye(C)[c : c + 1]
        mean, log_var = model.q_z(x, y)
        q_z = dist.Normal(mean, log_var.exp().sqrt())
        out = model.p_x(y, mean + q_z.stddev * eps)[0]
        if likelihood == "bernoulli":
            # A grey value is the chance of white: the mean over both colours.
            p_x = dist.Bernoulli(logits=out)
            log_p_x = (x[0] * p_x.log_prob(torch.ones(D)) + (1 - x[0]) * p_x.log_prob(torch.zeros(D))).sum()
        else:
            numbers = dist.Normal(out[:2], model.w["p_x.log_var"].exp().sqrt()).log_prob(x[0, :2]).sum()
            yes_no = dist.Bernoulli(logits=out[2]).log_prob(x[0, 2])
            log_p_x = numbers + yes_no + dist.Categorical(logits=out[3:]).log_prob(x[0, 3:].argmax())
        log_p_y = dist.Categorical(torch.ones(C)).log_prob(torch.as_tensor(c))
        kl = dist.kl_divergence(q_z, dist.Normal(torch.zeros(M), torch.ones(M))).sum()
        return -(log_p_x + log_p_y - kl)

    def q_y(x):
        return dist.Categorical(logits=model.linear("q_y.logits", model.trunk("q_y", x))[0])

    x, y, u = batch["x"], batch["y"].argmax(1), batch["u"]
    for i in range(N):
        close(terms["labelled"][i], bound(x[i : i + 1], y[i], batch["eps_l"][i, 0]))
        close(terms["classify"][i], -q_y(x[i : i + 1]).log_prob(y[i]))
    for i in range(R):
        bounds = torch.stack([bound(u[i : i + 1], c, batch["eps_u"][i, c]) for c in range(C)])
        q = q_y(u[i : i + 1])
        close(terms["unlabelled"][i], (q.probs * bounds).sum() - q.entropy())


@torch.no_grad()
def check_kinks_are_far(model, batch):
    """No unit of a relu is within 1e-3 of its kink, where an engine in f32 could take the other branch."""
    if model.activation is not torch.relu:
        return
    distances = []

    def watched(x):
        distances.append(x.abs().min().item())
        return torch.relu(x)

    model.activation = watched
    model.terms(**batch)
    model.activation = torch.relu
    assert min(distances) > 1e-3, f"a unit is {min(distances)} from its kink: take another seed"


def check_gradients_reach(model):
    """At least two thirds of every parameter have a gradient: few relus are dead, and a forgotten one shows."""
    for name, weight in model.w.items():
        share = (weight.grad.abs() > 1e-6).double().mean()
        assert share > 0.66, f"{share:.0%} of {name} has a gradient: take another seed"


@torch.no_grad()
def check_finite_differences(model, batch, rng, step=1e-5):
    for name in rng.choice(list(model.w), size=2, replace=False):
        flat = model.w[name].view(-1)
        at = rng.integers(len(flat))
        here = flat[at].item()
        ends = []
        for value in (here + step, here - step):
            flat[at] = value
            ends.append(total(model.terms(**batch)))
        flat[at] = here
        close(model.w[name].grad.view(-1)[at], (ends[0] - ends[1]) / (2 * step), tolerance=1e-8)


def close(found, expected, tolerance=1e-12):
    assert abs(found - expected) <= tolerance * max(1, abs(expected)), f"{found} is not {expected}"


def rounded(values):
    """To 15 significant digits."""
    if values.dim() == 0:
        return float(f"{values.item():.15g}")
    return [rounded(value) for value in values.detach()]


def tensor(values):
    return {"shape": list(values.shape), "data": rounded(values.reshape(-1))}


def main():
    cases = {name: make(*settings) for name, *settings in CASES}
    text = json.dumps(cases, indent=1)
    on_one_line = re.sub(r"\[[^\[\]{}]*\]", lambda found: " ".join(found.group().split()), text)
    Path(__file__).with_name("m2.json").write_text(on_one_line + "\n")


if __name__ == "__main__":
    main()
