"""Looks that the two styles of torch_step.py's models with an auxiliary variable compute the same loss and gradients.

    python bench/torch_check.py

Both get the same rows, the same parameters and the same noise; says how far apart they are, and fails above 1e-4.
"""

import sys

import torch
from torch_step import AUXILIARY, AUXILIARY_ROWS, CLASSES, auxiliary_split, auxiliary_usual

BAR = 1e-4
N = AUXILIARY_ROWS


def main():
    torch.set_num_threads(1)
    worst = 0.0
    for name, skip in (("adgm", False), ("sdgm", True)):
        for samples in (1, 5):
            loss, gradient = differences(samples, skip)
            print(f"{name}-{samples}: loss {loss:.1e}, gradients {gradient:.1e}, relative")
            worst = max(worst, loss, gradient)
    if not worst <= BAR:
        sys.exit(f"error: {worst:.1e} is more than {BAR}")


def differences(samples, skip):
    """How far apart the losses are, and the first layers' gradients, relative to their size."""
    # The rows are the first that either draws.
    torch.manual_seed(1)
    usual, theirs = auxiliary_usual(samples, skip)
    torch.manual_seed(1)
    split, ours = auxiliary_split(samples, skip)
    for name, net in ours.items():
        theirs[name].rest.load_state_dict(net.rest.state_dict())
        theirs[name].heads.load_state_dict(net.heads.state_dict())
        with torch.no_grad():
            theirs[name].first.weight.copy_(joined(net.first, "weight"))
            theirs[name].first.bias.copy_(bias(net.first))
    a, z_of_x = torch.randn(samples, 2 * N, AUXILIARY), torch.randn(samples, N, 1, AUXILIARY)
    z_of_u = torch.randn(samples, N, CLASSES, AUXILIARY)
    # There: rows within samples within classes.
    flat = (a[:, :N], z_of_x[:, :, 0], a[:, N:], z_of_u.permute(2, 0, 1, 3))
    losses = usual([part.reshape(-1, AUXILIARY) for part in flat]), split((a, z_of_x, z_of_u))
    for loss in losses:
        loss.backward()
    gaps = [
        relative(theirs[name].first.weight.grad, joined(net.first, "grad")) for name, net in ours.items()
    ] + [relative(theirs[name].heads[0].weight.grad, net.heads[0].weight.grad) for name, net in ours.items()]
    return relative(*losses), max(gaps)


def joined(first, what):
    """A split layer's weights, or their gradients, as those of a layer on all inputs: [500, inputs]."""

    def of(name, layer):
        weight = layer.weight if what == "weight" else layer.weight.grad
        return weight.T if name == "y" else weight

    if not isinstance(first, torch.nn.ModuleDict):
        return of("x", first)
    return torch.cat([of(*part) for part in first.items()], 1)


def bias(first):
    if not isinstance(first, torch.nn.ModuleDict):
        return first.bias
    return next(iter(first.values())).bias


def relative(a, b):
    return ((a - b).abs().max() / b.abs().max()).item()


if __name__ == "__main__":
    main()
