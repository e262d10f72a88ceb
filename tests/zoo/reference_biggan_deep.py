"""BigGAN-deep's images computed a second time: NumPy, float64, straight from the release's state dict, no modules.

Nothing here is shared with `gan_tutorial.models.biggan_deep`, so that the two can't be wrong in the same way.
"""

from __future__ import annotations

import math

import numpy as np

EPSILON = 1e-4


def images(state, z, rows, truncation, released=False):
    """state: {name: float array} in the release's layout; z (N, z_dim), rows (N, K) -> images (N, 3, S, S)."""
    state = {name: np.asarray(value, np.float64) for name, value in state.items()}
    z, rows = np.asarray(z, np.float64), np.asarray(rows, np.float64)

    def matrix(name):
        weight, u, v = (state[f"{name}.weight_{part}"] for part in ("orig", "u", "v"))
        flat = weight.reshape(len(weight), -1)
        return weight / np.einsum("i,ij,j->", u, flat, v)

    def statistics(name):
        table = np.stack([state[f"{name}.running_means"], state[f"{name}.running_vars"]])
        steps = table.shape[1] - 1
        if released:
            share, row = math.modf(truncation / (1.0 / steps))
            row = int(row)
            return table[:, row] if share == 0 else share * table[:, row] + (1 - share) * table[:, row + 1]
        grid = np.arange(steps + 1) / steps
        return np.array([[np.interp(truncation, grid, column) for column in kind.T] for kind in table])

    def activate(x, name, gain, bias):
        mean, variance = statistics(name)
        deviation = np.sqrt(variance + EPSILON)
        scaled = (x - mean[None, :, None, None]) / deviation[None, :, None, None]
        return np.maximum(scaled * gain[..., None, None] + bias[..., None, None], 0)

    def conditional(x, name):
        return activate(x, name, 1 + condition @ matrix(f"{name}.scale").T, condition @ matrix(f"{name}.offset").T)

    def convolve(x, name, bias=True):
        kernel = matrix(name)
        side, border = x.shape[-1], kernel.shape[-1] // 2
        padded = np.pad(x, ((0, 0), (0, 0), (border, border), (border, border)))
        out = np.zeros((len(x), len(kernel), side, side))
        for i in range(kernel.shape[2]):
            for j in range(kernel.shape[3]):
                out += np.einsum("oc,nchw->nohw", kernel[:, :, i, j], padded[:, :, i : i + side, j : j + side])
        return out + state[f"{name}.bias"][None, :, None, None] if bias else out

    def block(x, name, enlarge):
        h = conditional(convolve(conditional(x, f"{name}.bn_0"), f"{name}.conv_0"), f"{name}.bn_1")
        if enlarge:
            h, x = (np.repeat(np.repeat(a, 2, 2), 2, 3) for a in (h, x))
        h = convolve(conditional(convolve(h, f"{name}.conv_1"), f"{name}.bn_2"), f"{name}.conv_2")
        h = convolve(conditional(h, f"{name}.bn_3"), f"{name}.conv_3")
        return x[:, : h.shape[1]] + h

    def attend(x, name):
        side = x.shape[-1]

        def places(a):
            return a.reshape(*a.shape[:2], -1)

        def pooled(a):
            return a.reshape(*a.shape[:2], side // 2, 2, side // 2, 2).max((3, 5))

        queries = places(convolve(x, f"{name}.snconv1x1_theta", False))
        keys = places(pooled(convolve(x, f"{name}.snconv1x1_phi", False)))
        values = places(pooled(convolve(x, f"{name}.snconv1x1_g", False)))
        scores = np.einsum("ncq,nck->nqk", queries, keys)
        weights = np.exp(scores - scores.max(2, keepdims=True))
        weights /= weights.sum(2, keepdims=True)
        read = (values @ weights.swapaxes(1, 2)).reshape(len(x), -1, side, side)
        return x + state[f"{name}.gamma"] * convolve(read, f"{name}.snconv1x1_o_conv", False)

    condition = np.concatenate([z, rows @ state["embeddings.weight"].T], 1)
    x = condition @ matrix("generator.gen_z").T + state["generator.gen_z.bias"]
    x = np.moveaxis(x.reshape(len(z), 4, 4, -1), 3, 1)
    layer = done = 0
    while any(name.startswith(f"generator.layers.{layer}.") for name in state):
        name = f"generator.layers.{layer}"
        if f"{name}.gamma" in state:
            x = attend(x, name)
        else:
            x, done = block(x, name, enlarge=done % 2 == 1), done + 1
        layer += 1
    x = activate(x, "generator.bn", state["generator.bn.weight"][None], state["generator.bn.bias"][None])
    return np.tanh(convolve(x, "generator.conv_to_rgb"))[:, :3]
