"""PyTorch's and onnxruntime's side of bench/compare.py: the work that ours does, one process a workload.

    python bench/torch_step.py WORKLOAD THREADS     numbers of iterations on stdin, JSON lines on stdout

Says {"ready": true, "macs": null} after some warm-up; answers every line N with the wall clock of N
iterations, {"seconds": [...]}; at the end of its input says {"peak_mb": ...}, the most that it ever held.

The code is what people write: eager mode, float32, torch.optim.Adam with its defaults. Adam's fused
kernel, which a user has to ask for, is taken under HALFMOON_TORCH_FUSED=1.
"""

import json
import math
import os
import sys
import time
from itertools import pairwise

import numpy as np

# A process that only runs onnxruntime is not to carry torch's memory in its peak.
if sys.argv[1:2] != ["predict-onnx"]:
    import torch
    import torch.nn.functional as F
    from torch import nn

PIXELS, CLASSES, LATENT = 784, 10, 50
AUXILIARY = 100  # numbers in a, and in z beside it


def workloads(threads):
    """Name → function that sets the workload up and returns one iteration of it."""
    return {
        "vae-100": lambda: vae(100),
        "vae-1000": lambda: vae(1000),
        "m2-500-100+100-usual": lambda: m2_usual([500], 100, 100),
        "m2-500-100+100-split": lambda: m2_split([500], 100, 100),
        "m2-500-1+499-usual": lambda: m2_usual([500], 1, 499),
        "m2-500-1+499-split": lambda: m2_split([500], 1, 499),
        "m2-500-500-100+100-usual": lambda: m2_usual([500, 500], 100, 100),
        "m2-500-500-100+100-split": lambda: m2_split([500, 500], 100, 100),
        "m2-500-500-1+499-usual": lambda: m2_usual([500, 500], 1, 499),
        "m2-500-500-1+499-split": lambda: m2_split([500, 500], 1, 499),
        "adgm-1-usual": lambda: step(*auxiliary_usual(1, skip=False)),
        "adgm-1-split": lambda: step(*auxiliary_split(1, skip=False)),
        "adgm-5-usual": lambda: step(*auxiliary_usual(5, skip=False)),
        "adgm-5-split": lambda: step(*auxiliary_split(5, skip=False)),
        "sdgm-1-usual": lambda: step(*auxiliary_usual(1, skip=True)),
        "sdgm-1-split": lambda: step(*auxiliary_split(1, skip=True)),
        "sdgm-5-usual": lambda: step(*auxiliary_usual(5, skip=True)),
        "sdgm-5-split": lambda: step(*auxiliary_split(5, skip=True)),
        "wrn-forward": wrn_forward,
        "wrn-input": wrn_input,
        "wrn-step": wrn_step,
        "wrn-jem": lambda: wrn_jem(steps=20, clipped=False),
        "wrn-proximal": lambda: wrn_jem(steps=5, clipped=True),
        "predict": predict,
        "predict-onnx": lambda: predict_onnx(threads),
        "matmul": matmul,
    }


def main(name, threads):
    if "torch" in sys.modules:
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.manual_seed(1)
    iterate = workloads(threads)[name]()
    for _ in range(3):
        iterate()
    say(ready=True, macs=None)
    for line in sys.stdin:
        seconds = []
        for _ in range(int(line)):
            started = time.perf_counter()
            iterate()
            seconds.append(time.perf_counter() - started)
        say(seconds=seconds)
    say(peak_mb=peak_mb())


# A variational autoencoder, 784–500–500–50 and back.


def vae(rows):
    x = torch.rand(rows, PIXELS)
    encoder, mean, log_var = mlp(PIXELS, [500, 500], nn.Softplus), nn.Linear(500, LATENT), nn.Linear(500, LATENT)
    decoder = nn.Sequential(mlp(LATENT, [500, 500], nn.Softplus), nn.Linear(500, PIXELS))

    def loss():
        h = encoder(x)
        q_z = mean(h), log_var(h)
        elbo = bernoulli(decoder(rsample(*q_z)), x) - kl_to_standard(*q_z)
        return -elbo.mean()

    return step(loss, encoder, mean, log_var, decoder)


# M2 (Kingma et al. 2014, equations 6, 7 and 9, each term as a mean over its rows), in two styles.


def m2_usual(hidden, labelled, unlabelled):
    """As public programs have it: x and y concatenated, unlabelled rows repeated once a class."""
    x, y, u = m2_rows(labelled, unlabelled)
    q_y = nn.Sequential(mlp(PIXELS, hidden, nn.ReLU), nn.Linear(hidden[-1], CLASSES))
    trunk = mlp(PIXELS + CLASSES, hidden, nn.ReLU)
    mean, log_var = nn.Linear(hidden[-1], LATENT), nn.Linear(hidden[-1], LATENT)
    p_x = nn.Sequential(mlp(CLASSES + LATENT, hidden, nn.ReLU), nn.Linear(hidden[-1], PIXELS))

    def elbo_xy(x, y):  # [n, 784], [n, 10] → [n]
        h = trunk(torch.cat([x, y], 1))
        q_z = mean(h), log_var(h)
        logits = p_x(torch.cat([y, rsample(*q_z)], 1))
        return bernoulli(logits, x) - math.log(CLASSES) - kl_to_standard(*q_z)

    def elbo_x(u):  # [m, 784] → [m]
        log_q = F.log_softmax(q_y(u), 1)
        every_class = torch.eye(CLASSES).repeat_interleave(len(u), 0)
        elbos = elbo_xy(u.repeat(CLASSES, 1), every_class).view(CLASSES, len(u)).T
        return (log_q.exp() * (elbos - log_q)).sum(1)

    def loss():
        one_hot = F.one_hot(y, CLASSES).float()
        return -elbo_xy(x, one_hot).mean() - elbo_x(u).mean() + F.cross_entropy(q_y(x), y)

    return step(loss, q_y, trunk, mean, log_var, p_x)


def m2_split(hidden, labelled, unlabelled):
    """As ours has it: a first layer has a weight for each of its inputs, so a row meets its own once
    and not once a class; q(y | x) is computed once for all rows. Tensors are [n, k, width]."""
    x, y, u = m2_rows(labelled, unlabelled)
    xu = torch.cat([x, u])
    first, *others = hidden
    q_y = nn.Sequential(mlp(PIXELS, hidden, nn.ReLU), nn.Linear(hidden[-1], CLASSES))
    z_of_x, z_of_y = nn.Linear(PIXELS, first), nn.Linear(CLASSES, first, bias=False)
    trunk = nn.Sequential(nn.ReLU(), mlp(first, others, nn.ReLU))
    mean, log_var = nn.Linear(hidden[-1], LATENT), nn.Linear(hidden[-1], LATENT)
    x_of_y, x_of_z = nn.Linear(CLASSES, first), nn.Linear(LATENT, first, bias=False)
    p_x = nn.Sequential(nn.ReLU(), mlp(first, others, nn.ReLU), nn.Linear(hidden[-1], PIXELS))

    def elbo_xy(x, y):  # [n, 1, 784], [n, 1, 10] or [1, 10, 10] → [n, 1 or 10]
        h = trunk(z_of_x(x) + z_of_y(y))
        q_z = mean(h), log_var(h)
        logits = p_x(x_of_y(y) + x_of_z(rsample(*q_z)))
        return bernoulli(logits, x) - math.log(CLASSES) - kl_to_standard(*q_z)

    def loss():
        logits = q_y(xu)
        log_q = F.log_softmax(logits[labelled:], 1)
        elbo_x = (log_q.exp() * (elbo_xy(u[:, None], torch.eye(CLASSES)[None]) - log_q)).sum(1)
        one_hot = F.one_hot(y, CLASSES).float()
        return -elbo_xy(x[:, None], one_hot[:, None]).mean() - elbo_x.mean() + F.cross_entropy(logits[:labelled], y)

    return step(loss, q_y, z_of_x, z_of_y, trunk, mean, log_var, x_of_y, x_of_z, p_x)


def m2_rows(labelled, unlabelled):
    return torch.rand(labelled, PIXELS), torch.randint(CLASSES, (labelled,)), torch.rand(unlabelled, PIXELS)


# Models with an auxiliary variable (Maaløe et al. 2016), 100 + 100 rows, in two styles. ADGM has q(a | x),
# q(y | a, x), q(z | a, x, y), p(a | x, y, z) and p(x | y, z); SDGM (`skip`) has p(a | y, z) and p(x | a, y, z). Every
# network has two hidden layers of 500. The same a stands in q(y | a, x) and under every class; the divergence of z and
# the entropy of q(a | x) are closed, log p(a | ·) is not. bench/torch_check.py looks that both styles compute the same.

AUXILIARY_ROWS = 100  # labelled ones, and unlabelled ones
CLASSIFY = 60  # weight of the classification term


def auxiliary_usual(samples, skip):
    """As public programs have it: inputs concatenated, rows repeated once a sample and once a class, through q(a | x)
    as well; the classifier is run again for the classification term."""
    x, y, u = m2_rows(AUXILIARY_ROWS, AUXILIARY_ROWS)
    one_hot = F.one_hot(y, CLASSES).float()
    z = a = AUXILIARY
    nets = nn.ModuleDict(
        {
            "q_a": network(nn.Linear(PIXELS, 500), a, a),
            "q_y": network(nn.Linear(PIXELS + a, 500), CLASSES),
            "q_z": network(nn.Linear(PIXELS + a + CLASSES, 500), z, z),
            "p_a": network(nn.Linear(z + CLASSES if skip else PIXELS + z + CLASSES, 500), a, a),
            "p_x": network(nn.Linear(z + a + CLASSES if skip else z + CLASSES, 500), PIXELS),
        }
    )

    def given(name, *inputs):
        net = nets[name]
        return net(net.first(torch.cat(inputs, 1)))

    def elbo_xy(x, y, noise_a, noise_z):  # [n, 784], [n, 10], [n, 100], [n, 100] → [n]
        q_a = given("q_a", x)
        a = moved(noise_a, *q_a)
        q_z = given("q_z", x, a, y)
        z = moved(noise_z, *q_z)
        p_a = given("p_a", z, y) if skip else given("p_a", x, z, y)
        (logits,) = given("p_x", z, a, y) if skip else given("p_x", z, y)
        log_p = bernoulli(logits, x) - math.log(CLASSES) + log_normal(a, *p_a)
        return log_p - kl_to_standard(*q_z) + normal_entropy(q_a[1])

    def classify(x, noise_a):  # [n, 784], [n, 100] → [n, 10]
        (logits,) = given("q_y", x, moved(noise_a, *given("q_a", x)))
        return F.log_softmax(logits, 1)

    def draw():
        n = samples * AUXILIARY_ROWS
        return torch.randn(n, a), torch.randn(n, z), torch.randn(n, a), torch.randn(CLASSES * n, z)

    def loss(noise=None):
        a_of_x, z_of_x, a_of_u, z_of_u = noise or draw()
        xs, us = x.repeat(samples, 1), u.repeat(samples, 1)
        log_q = classify(us, a_of_u)
        every_class = torch.eye(CLASSES).repeat_interleave(len(us), 0)
        elbos = elbo_xy(us.repeat(CLASSES, 1), every_class, a_of_u.repeat(CLASSES, 1), z_of_u)
        elbo_u = (log_q.exp() * (elbos.view(CLASSES, len(us)).T - log_q)).sum(1)
        elbo_x = elbo_xy(xs, one_hot.repeat(samples, 1), a_of_x, z_of_x)
        return -elbo_x.mean() - elbo_u.mean() + CLASSIFY * F.nll_loss(classify(xs, a_of_x), y.repeat(samples))

    return loss, nets


def auxiliary_split(samples, skip):
    """As ours has it: a first layer has a weight for each of its inputs, so that x meets its own once a row, a once
    a row and sample, and a class is looked up; q(a | x) and q(y | a, x) are computed once. Tensors are
    [S, n, k, width]."""
    x, y, u = m2_rows(AUXILIARY_ROWS, AUXILIARY_ROWS)
    xu, n = torch.cat([x, u]), AUXILIARY_ROWS
    z = a = AUXILIARY

    def first(**widths):
        """The bias belongs to the first one; a class needs no product."""
        linear = {name: nn.Linear(width, 500, bias=not at) for at, (name, width) in enumerate(widths.items())}
        return nn.ModuleDict(linear | {"y": nn.Embedding(CLASSES, 500)})

    nets = nn.ModuleDict(
        {
            "q_a": network(nn.Linear(PIXELS, 500), a, a),
            "q_y": network(nn.ModuleDict({"x": nn.Linear(PIXELS, 500), "a": nn.Linear(a, 500, bias=False)}), CLASSES),
            "q_z": network(first(x=PIXELS, a=a), z, z),
            "p_a": network(first(z=z) if skip else first(x=PIXELS, z=z), a, a),
            "p_x": network(first(z=z, a=a) if skip else first(z=z), PIXELS),
        }
    )
    q_a, q_y, q_z, p_a, p_x = nets.values()

    def draw():
        rows = torch.randn(samples, n, 1, z), torch.randn(samples, n, CLASSES, z)
        return torch.randn(samples, 2 * n, a), *rows

    def loss(noise=None):
        noise_a, z_of_x, z_of_u = noise or draw()
        mean, log_var = q_a(q_a.first(xu))
        a = moved(noise_a, mean, log_var)  # [S, 2 n, 100]
        entropy = normal_entropy(log_var)
        (logits,) = q_y(q_y.first["x"](xu) + q_y.first["a"](a))
        log_q = F.log_softmax(logits, 2)
        to_z = q_z.first["x"](xu) + q_z.first["a"](a)
        to_a = None if skip else p_a.first["x"](xu)
        to_x = p_x.first["a"](a) if skip else None

        def elbo(rows, k, noise_z):  # the rows' places, their classes [n, 1] or [1, 10] → [S, n, k]
            mean, log_var = q_z(to_z[:, rows, None] + q_z.first["y"](k))
            z = moved(noise_z, mean, log_var)
            h = p_a.first["z"](z) + p_a.first["y"](k)
            of_a = p_a(h if skip else h + to_a[rows, None])
            h = p_x.first["z"](z) + p_x.first["y"](k)
            (logits,) = p_x(h + to_x[:, rows, None] if skip else h)
            log_p = bernoulli(logits, xu[rows, None]) - math.log(CLASSES) + log_normal(a[:, rows, None], *of_a)
            return log_p - kl_to_standard(mean, log_var) + entropy[rows, None]

        labelled, unlabelled = slice(n), slice(n, None)
        elbo_x = elbo(labelled, y[:, None], z_of_x)
        log_q_u = log_q[:, unlabelled]
        elbo_u = (log_q_u.exp() * (elbo(unlabelled, torch.arange(CLASSES)[None], z_of_u) - log_q_u)).sum(2)
        classify = F.nll_loss(log_q[:, labelled].flatten(0, 1), y.repeat(samples))
        return -elbo_x.mean() - elbo_u.mean() + CLASSIFY * classify

    return loss, nets


def network(first, *outputs):
    """Two hidden layers, then a layer for each of the outputs. `first`, which makes the first one's sums, is called by
    whoever knows the inputs."""

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = first
            self.rest = nn.Sequential(nn.ReLU(), nn.Linear(500, 500), nn.ReLU())
            self.heads = nn.ModuleList(nn.Linear(500, width) for width in outputs)

        def forward(self, h):
            h = self.rest(h)
            return [head(h) for head in self.heads]

    return Network()


# WideResNet-10-2 (10 = 6·1 + 4) without normalisation, on 64 pictures of 32×32 in three colours.


def wrn_forward():
    x, net = pictures(), wide_resnet()

    def iterate():
        with torch.no_grad():
            net(x)

    return iterate


def wrn_input():
    """The gradient of Σ logsumexp(logits) with respect to the pictures alone."""
    x, net = pictures().requires_grad_(), wide_resnet().requires_grad_(False)
    return lambda: torch.autograd.grad(net(x).logsumexp(1).sum(), x)


def wrn_step():
    x, net = pictures(), wide_resnet()
    y = torch.randint(CLASSES, (len(x),))
    return step(lambda: F.cross_entropy(net(x), y), net)


def wrn_jem(steps, clipped):
    """A step of JEM: 64 labelled pictures, 64 others, and 64 chains of so many steps from a buffer of 10,000. No parameter gets a gradient from the
    chains, and each of the three batches goes through the network on its own."""
    net, data, others = wide_resnet(), pictures() * 2 - 1, pictures() * 2 - 1
    y = torch.randint(CLASSES, (len(data),))
    buffer = torch.rand(10_000, 3, 32, 32) * 2 - 1
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)

    def chains():
        slots = torch.randint(len(buffer), (64,))
        fresh = (torch.rand(64, 1, 1, 1) < 0.05).float()
        x = buffer[slots] * (1 - fresh) + (torch.rand(64, 3, 32, 32) * 2 - 1) * fresh
        net.requires_grad_(False)
        for _ in range(steps):
            x = x.detach().requires_grad_()
            (up,) = torch.autograd.grad(net(x).logsumexp(1).sum(), x)
            with torch.no_grad():
                x = (x + up.clamp(-1, 1)).clamp(-1, 1) if clipped else x + up + 0.01 * torch.randn_like(x)
        net.requires_grad_(True)
        buffer[slots] = x.detach()
        return x.detach()

    def iterate():
        negatives = chains()
        noisy = lambda x: x if clipped else x + 0.03 * torch.randn_like(x)
        gap = net(negatives).logsumexp(1).mean() - net(noisy(others)).logsumexp(1).mean()
        loss = gap + F.cross_entropy(net(noisy(data)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return iterate


def pictures():
    return torch.rand(64, 3, 32, 32)


def wide_resnet():
    class Block(nn.Module):
        """Activation before convolution; the number of channels changes, so the shortcut is one as well."""

        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, stride, padding=1)
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride)

        def forward(self, x):
            h = self.conv1(F.leaky_relu(x, 0.2))
            return self.conv2(F.leaky_relu(h, 0.2)) + self.shortcut(x)

    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        Block(16, 32, 1),
        Block(32, 64, 2),
        Block(64, 128, 2),
        nn.LeakyReLU(0.2),
        nn.AvgPool2d(8),
        nn.Flatten(),
        nn.Linear(128, CLASSES),
    )


# Answers of a classifier 784–500–500–10: probabilities of 10,000 rows, in one call.


def predict():
    x, layers = questions()
    linears = []
    for weight, bias in layers:
        linear = nn.Linear(*weight.shape)
        linear.load_state_dict({"weight": torch.from_numpy(weight.T), "bias": torch.from_numpy(bias)})
        linears.append(linear)
    net = nn.Sequential(linears[0], nn.ReLU(), linears[1], nn.ReLU(), linears[2], nn.Softmax(1))
    x = torch.from_numpy(x)

    def iterate():
        with torch.inference_mode():
            return net(x)

    return iterate


def predict_onnx(threads):
    import onnxruntime

    x, layers = questions()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(onnx_file(layers), options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"x": x})[0]


def onnx_file(layers):
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes, constants, last = [], [], "x"
    for i, (weight, bias) in enumerate(layers):
        constants += [numpy_helper.from_array(weight, f"w{i}"), numpy_helper.from_array(bias, f"b{i}")]
        nodes += [
            helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [f"a{i}"]),
            helper.make_node("Relu", [f"a{i}"], [f"h{i}"]),
        ]
        last = f"h{i}"
    nodes[-1] = helper.make_node("Softmax", [f"a{i}"], ["probs"], axis=1)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", PIXELS])
    probs = helper.make_tensor_value_info("probs", TensorProto.FLOAT, ["n", CLASSES])
    graph = helper.make_graph(nodes, "classifier", [x], [probs], constants)
    # Versions that runtimes have read for years; the newest may be ahead of the one installed.
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    checker.check_model(model)
    return model.SerializeToString()


def questions():
    """Rows, and the weights [inputs, outputs] and biases of each layer, the same for both engines."""
    draw = np.random.default_rng(1)
    widths = [PIXELS, 500, 500, CLASSES]
    layers = []
    for inputs, outputs in pairwise(widths):
        weight = draw.standard_normal((inputs, outputs), np.float32) * np.float32(math.sqrt(2 / inputs))
        layers.append((weight, np.zeros(outputs, np.float32)))
    return draw.random((10_000, PIXELS), np.float32), layers


# What the machine can do at best, or close to it.


def matmul():
    a, b = torch.rand(1024, 1024), torch.rand(1024, 1024)
    return lambda: torch.mm(a, b)


# What they share.


def step(loss, *modules):
    """One step of optimisation: the loss with fresh noise, its gradients, Adam."""
    parameters = [parameter for module in modules for parameter in module.parameters()]
    fused = {"fused": True} if os.environ.get("HALFMOON_TORCH_FUSED") == "1" else {}
    adam = torch.optim.Adam(parameters, lr=1e-3, **fused)

    def iterate():
        value = loss()
        adam.zero_grad(set_to_none=True)
        value.backward()
        adam.step()
        return value.item()

    return iterate


def mlp(inputs, hidden, activation):
    """Hidden layers, each with its activation."""
    layers = [(nn.Linear(*widths), activation()) for widths in pairwise([inputs, *hidden])]
    return nn.Sequential(*(part for layer in layers for part in layer))


def rsample(mean, log_var):
    return moved(torch.randn(mean.shape), mean, log_var)


def moved(noise, mean, log_var):
    return mean + (0.5 * log_var).exp() * noise


def log_normal(value, mean, log_var):
    """Σ ln 𝒩(value; mean, exp log_var)."""
    return -0.5 * (math.log(2 * math.pi) + log_var + (value - mean).square() * (-log_var).exp()).sum(-1)


def normal_entropy(log_var):
    return 0.5 * (1 + math.log(2 * math.pi) + log_var).sum(-1)


def kl_to_standard(mean, log_var):
    return 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum(-1)


def bernoulli(logits, x):
    """Σ over pixels of ln p(x), nats; grey values stand for x."""
    return -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none").sum(-1)


def say(**facts):
    print(json.dumps(facts), flush=True)


def peak_mb():
    with open("/proc/self/status") as status:
        kib = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return kib * 1024 / 1e6


if __name__ == "__main__":
    known = workloads(1)
    if len(sys.argv) != 3 or sys.argv[1] not in known or not sys.argv[2].isdecimal():
        print("usage: torch_step.py WORKLOAD THREADS; the workloads:", *known, file=sys.stderr, sep="\n  ")
        sys.exit(2)
    main(sys.argv[1], int(sys.argv[2]))
