"""StyleGAN2 once more, in NumPy and float64, from the papers' formulas: what the model is compared with.

Everything is done one sample at a time and in the order in which the papers say it. Weights are modulated and
demodulated, not activations; a convolution is a sum over its taps; changing the side is one filter, the convolution's
kernel convolved with the smoothing one, over an image with zeros between its pixels.

Sources: Karras et al. 2018 (equalised learning rate, minibatch standard deviation), 2019 (mapping, truncation), 2020
(StyleGAN2: equations 1 to 3, figures 2 and 7) and, later in 2020, with limited data (classes).

A `state` is a dict of arrays under the official names, without the constant `resample_filter`s.
"""

import numpy as np

LINE = np.array([1.0, 3.0, 3.0, 1.0])
SMOOTHING = LINE[:, None] * LINE[None, :] / 64
MAPPING_RATE = 0.01  # the mapping network learns a hundred times more slowly


def leaky(x):
    return np.where(x > 0, x, 0.2 * x) * np.sqrt(2)


def dense(state, name, x, rate=1.0):
    """x (I,) -> (O,). A weight's standard deviation is 1 / rate when training begins, and 1 / sqrt(I) where it acts."""
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return weight @ x * rate / np.sqrt(len(x)) + bias * rate


def unit(x):
    return x / np.sqrt(np.mean(x**2) + 1e-8)


# -- pictures: (C, H, W) -----------------------------------------------------------------------------------------------
def correlate(x, weight, padding, stride=1):
    """x (I, H, W), weight (O, I, K, K) -> (O, H', W'): out[o, i, j] = sum weight[o, c, a, b] x[c, i + a, j + b]."""
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    rows, columns = ((side - weight.shape[2]) // stride + 1 for side in x.shape[1:])
    out = np.zeros((len(weight), rows, columns))
    for a in range(weight.shape[2]):
        for b in range(weight.shape[3]):
            seen = x[:, a : a + stride * rows : stride, b : b + stride * columns : stride][:, :rows, :columns]
            out += np.tensordot(weight[:, :, a, b], seen, 1)
    return out


def smoothed(weight):
    """The kernel of a convolution with `weight` (O, I, K, K) and with the smoothing filter: (O, I, K + 3, K + 3)."""
    k = weight.shape[2]
    out = np.zeros((*weight.shape[:2], k + 3, k + 3))
    for a in range(4):
        for b in range(4):
            out[:, :, a : a + k, b : b + k] += SMOOTHING[a, b] * weight
    return out


def spread_out(x):
    """Zeros between the pixels: (C, H, W) -> (C, 2H - 1, 2W - 1)."""
    out = np.zeros((len(x), 2 * x.shape[1] - 1, 2 * x.shape[2] - 1))
    out[:, ::2, ::2] = x
    return out


def convolve_up(x, weight):
    """Twice the side. Of four pixels three are zeros, hence the 4. A true convolution: the kernel is turned round."""
    kernel = smoothed(4 * weight)[:, :, ::-1, ::-1]
    return correlate(spread_out(x), kernel, padding=weight.shape[2] // 2 + 2)


def convolve_down(x, weight):
    """Half the side."""
    return correlate(x, smoothed(weight), padding=weight.shape[2] // 2 + 1, stride=2)


def each_channel(x):
    """The 1 x 1 convolution that leaves (C, H, W) as it is."""
    return np.eye(len(x))[:, :, None, None]


def up(x):
    return convolve_up(x, each_channel(x))


def down(x):
    return convolve_down(x, each_channel(x))


# -- the mapping network -----------------------------------------------------------------------------------------------
def mapped(state, prefix, layers, z, label):
    """z (Z,) or None, label: one-hot (K,) or None -> (W,)."""
    parts = [] if z is None else [unit(z)]
    if label is not None:
        parts.append(unit(dense(state, f"{prefix}embed", label)))
    x = np.concatenate(parts)
    for i in range(layers):
        x = leaky(dense(state, f"{prefix}fc{i}", x, MAPPING_RATE))
    return x


def truncated(w, average, num_ws, psi, cutoff):
    """w (W,) -> (num_ws, W)."""
    cutoff = num_ws if cutoff is None else cutoff
    return np.stack([average + psi * (w - average) if layer < cutoff else w for layer in range(num_ws)])


# -- the generator -----------------------------------------------------------------------------------------------------
def modulated_weight(weight, style, demodulate):
    """weight (O, I, K, K), style (I,) -> (O, I, K, K): equations 1 and 3."""
    weight = weight * style[None, :, None, None]
    if demodulate:
        weight = np.stack([one / np.sqrt(np.sum(one**2) + 1e-8) for one in weight])
    return weight


def styled_layer(state, name, x, w, noise, doubles):
    weight = modulated_weight(state[f"{name}.weight"], dense(state, f"{name}.affine", w), True)
    x = convolve_up(x, weight) if doubles else correlate(x, weight, 1)
    if noise == "const":
        x = x + state[f"{name}.noise_strength"] * state[f"{name}.noise_const"]
    return leaky(x + state[f"{name}.bias"][:, None, None])


def to_image(state, name, x, w):
    style = dense(state, f"{name}.affine", w) / np.sqrt(len(x))
    return (
        correlate(x, modulated_weight(state[f"{name}.weight"], style, False), 0) + state[f"{name}.bias"][:, None, None]
    )


def picture(state, resolution, architecture, ws, noise):
    """ws (num_ws, W) -> (C, S, S). A resolution's image layer and the next resolution's first layer share a style."""
    x = styled_layer(state, "synthesis.b4.conv1", state["synthesis.b4.const"], ws[0], noise, False)
    image = to_image(state, "synthesis.b4.torgb", x, ws[1]) if architecture == "skip" else None
    layer, side = 1, 8
    while side <= resolution:
        name = f"synthesis.b{side}"
        before = x
        x = styled_layer(state, f"{name}.conv0", x, ws[layer], noise, True)
        x = styled_layer(state, f"{name}.conv1", x, ws[layer + 1], noise, False)
        if architecture == "resnet":
            skip = state[f"{name}.skip.weight"] / np.sqrt(len(before))
            x = (convolve_up(before, skip) + x) / np.sqrt(2)
        if architecture == "skip":
            image = up(image) + to_image(state, f"{name}.torgb", x, ws[layer + 2])
        elif side == resolution:
            image = to_image(state, f"{name}.torgb", x, ws[layer + 2])
        layer, side = layer + 2, 2 * side
    return image


def generate(state, config, z, labels=None, psi=1.0, cutoff=None, noise="const"):
    """z (N, Z), labels (N, K) or None -> styles (N, num_ws, W) and images (N, C, S, S).

    Of `config` resolution, mapping_layers and g_architecture count.
    """
    num_ws = 2 * int(np.log2(config["resolution"])) - 2
    styles, images = [], []
    for i in range(len(z)):
        w = mapped(state, "mapping.", config["mapping_layers"], z[i], None if labels is None else labels[i])
        styles.append(truncated(w, state["mapping.w_avg"], num_ws, psi, cutoff))
        images.append(picture(state, config["resolution"], config["g_architecture"], styles[-1], noise))
    return np.stack(styles), np.stack(images)


# -- the discriminator -------------------------------------------------------------------------------------------------
def layer(state, name, x, halves=False, linear=False):
    """An equalised convolution of D."""
    weight = state[f"{name}.weight"]
    weight = weight / np.sqrt(weight[0].size)
    x = convolve_down(x, weight) if halves else correlate(x, weight, weight.shape[2] // 2)
    if linear:
        return x
    return leaky(x + state[f"{name}.bias"][:, None, None])


def features(state, resolution, architecture, image):
    """image (C, S, S) -> (C', 4, 4)."""
    x = layer(state, f"b{resolution}.fromrgb", image)
    side = resolution
    while side > 4:
        name = f"b{side}"
        y = layer(state, f"{name}.conv1", layer(state, f"{name}.conv0", x), halves=True)
        if architecture == "resnet":
            y = (y + layer(state, f"{name}.skip", x, halves=True, linear=True)) / np.sqrt(2)
        x, side = y, side // 2
        if architecture == "skip":
            image = down(image)
            x = x + layer(state, f"b{side}.fromrgb", image)
    return x


def spreads(x, group):
    """The minibatch standard deviation of x (N, C, 4, 4): one number a sample, (N,).

    With G samples in a group there are M = N / G groups; sample n belongs to group n mod M.
    """
    groups = len(x) // group
    found = np.zeros(len(x))
    for first in range(groups):
        members = list(range(first, len(x), groups))
        total = 0.0
        for place in np.ndindex(x.shape[1:]):
            values = np.array([x[(n, *place)] for n in members])
            total += np.sqrt(np.mean((values - values.mean()) ** 2) + 1e-8)
        found[members] = total / x[0].size
    return found


def judge(state, config, images, labels=None):
    """images (N, C, S, S), labels (N, K) or None -> logits (N,).

    `group` must divide N; in groups of one the spread is nothing but its epsilon's root; group 0 leaves it out.
    """
    seen = np.stack([features(state, config["resolution"], config["d_architecture"], one) for one in images])
    if config["group"]:
        planes = np.broadcast_to(spreads(seen, config["group"])[:, None, None, None], (len(seen), 1, 4, 4))
        seen = np.concatenate([seen, planes], 1)
    logits = []
    for i, x in enumerate(seen):
        x = leaky(dense(state, "b4.fc", layer(state, "b4.conv", x).ravel()))
        x = dense(state, "b4.out", x)
        if labels is not None:
            x = x @ mapped(state, "mapping.", config["d_mapping_layers"], None, labels[i]) / np.sqrt(len(x))
        logits.append(float(np.squeeze(x)))
    return np.array(logits)
