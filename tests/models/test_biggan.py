"""BigGAN: each part does what its formula says, and each can be taken away."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_tutorial.errors import InputError
from gan_tutorial.models import biggan


def small(size=16, **options):
    return biggan.build((3, size, size), **{"g_width": 4, "d_width": 4, "z_dim": 24, "shared_dim": 6} | options)


def kinds(network, kind):
    return [m for m in network.modules() if isinstance(m, kind)]


def stored(module):
    """A layer's weight before spectral norm."""
    return module.parametrizations.weight.original if hasattr(module, "parametrizations") else module.weight


@pytest.mark.parametrize("size", biggan.SIZES)
@pytest.mark.parametrize("classes", [0, 5])
def test_shapes_and_range(size, classes):
    nets = biggan.build(
        (2, size, size),
        num_classes=classes,
        z_dim=23,
        g_width=4,
        d_width=4,
        shared_dim=6,
        attention=8,
        orthogonal=False,
    )
    g, d = nets["generator"], nets["discriminator"]
    assert (g.z_dim, g.sample_shape, g.num_classes) == (23, (2, size, size), classes)
    labels = [torch.randint(classes, (2,))] if classes else []
    images = g(torch.randn(2, 23), *labels)
    assert images.shape == (2, 2, size, size)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert d(images, *labels).shape == (2,)


@pytest.mark.parametrize(
    ("size", "up", "down", "last_side"),
    [
        (16, [(4, 4)] * 2, [4, 4, 4], 4),
        (32, [(4, 4)] * 3, [4, 4, 4, 4], 8),
        (64, [(16, 8), (8, 4), (4, 2), (2, 1)], [1, 2, 4, 8, 16], 4),
        (128, [(16, 16), (16, 8), (8, 4), (4, 2), (2, 1)], [1, 2, 4, 8, 16, 16], 4),
        (256, [(16, 16), (16, 8), (8, 8), (8, 4), (4, 2), (2, 1)], [1, 2, 4, 8, 8, 16, 16], 4),
        (512, [(16, 16), (16, 8), (8, 8), (8, 4), (4, 2), (2, 1), (1, 1)], [1, 1, 2, 4, 8, 8, 16, 16], 4),
    ],
)
def test_widths_are_the_papers(size, up, down, last_side):
    with torch.device("meta"):
        nets = small(size, orthogonal=False, spectral=False)
    blocks = nets["generator"].blocks
    assert [(b.conv_1.in_channels // 4, b.conv_1.out_channels // 4) for b in blocks] == up
    blocks = nets["discriminator"].blocks
    assert [b.conv_1.out_channels // 4 for b in blocks] == down
    assert size // 2 ** sum(b.halve for b in blocks) == last_side
    assert [b.first for b in blocks] == [True] + [False] * (len(down) - 1)


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("shared_dim", [0, 6])
@pytest.mark.parametrize("hierarchical", [False, True])
def test_conditions_hold_what_the_options_say(classes, shared_dim, hierarchical):
    """24 latents: 8 for each of three layers at 16 px, or 24 for the first."""
    g = small(num_classes=classes, shared_dim=shared_dim, hierarchical=hierarchical)["generator"]
    dim = (classes and (shared_dim or classes)) + (8 if hierarchical else 0)
    assert g.first.in_features == (8 if hierarchical else 24)
    norms = kinds(g, biggan.ConditionalBatchNorm2d)
    assert len(norms) == 4
    for norm in norms:
        assert norm.norm.affine == (dim == 0)
        assert dim == 0 or norm.gain.in_features == norm.bias.in_features == dim
    assert (g.shared is not None) == bool(classes and shared_dim)
    z = torch.randn(3, 24)
    assert g(z, *([torch.arange(3)] if classes else [])).shape == (3, 3, 16, 16)


def test_uneven_latents_are_parted_as_evenly_as_can_be():
    g = small(z_dim=23)["generator"]
    assert [g.first.in_features, *(b.norm_1.gain.in_features for b in g.blocks)] == [8, 8, 7]


def test_skip_latents_reach_their_block_and_no_other():
    g = small()["generator"].eval()
    z = torch.randn(2, 24)
    changed = z.clone()
    changed[:, 16:] += 1  # the last block's part
    x, conditions = g._begin(z, None)
    y, others = g._begin(changed, None)
    assert torch.equal(x, y)
    assert torch.equal(conditions[0], others[0])
    assert not torch.equal(conditions[1], others[1])
    assert not torch.equal(g(z), g(changed))


def test_one_embedding_is_shared_or_each_norm_has_its_own():
    shared, own = (small(num_classes=3, shared_dim=dim)["generator"] for dim in (6, 0))
    assert kinds(shared, biggan.Embedding) == [shared.shared]
    assert len(kinds(own, biggan.Embedding)) == 2 * len(kinds(own, biggan.ConditionalBatchNorm2d))
    images = own(torch.randn(1, 24).expand(3, -1), torch.arange(3))
    assert (images[0] - images[1]).abs().max() > 1e-3


def test_rows_mix_classes():
    nets = small(num_classes=3)
    g, d = nets["generator"].eval(), nets["discriminator"].eval()
    mixture, z = torch.tensor([[0.3, 0.7, 0.0]]), torch.randn(1, 24)
    first, second, mixed = (
        g.shared(rows) for rows in (torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 0]]), mixture)
    )
    torch.testing.assert_close(mixed, 0.3 * first + 0.7 * second)
    torch.testing.assert_close(g(z, torch.eye(3)[1:2]), g(z, torch.tensor([1])))
    images = g(z, mixture)
    with torch.no_grad():  # a class whose embedding is that mixture
        g.shared.weight[:, 2] = g.shared.weight @ mixture[0]
    torch.testing.assert_close(images, g(z, torch.tensor([2])))
    # The projection is linear in the row.
    logits = [d(images, torch.tensor([k])) for k in range(2)]
    torch.testing.assert_close(d(images, mixture), 0.3 * logits[0] + 0.7 * logits[1])


def test_conditional_norm_normalises_then_scales_and_shifts():
    norm = biggan.ConditionalBatchNorm2d(5, 3, lambda dim, channels: nn.Linear(dim, channels, bias=False))
    x, condition = 3 * torch.randn(8, 5, 4, 4) + 7, torch.randn(8, 3)
    out = norm(x, condition)
    plain = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    gain, bias = 1 + condition @ norm.gain.weight.T, condition @ norm.bias.weight.T
    torch.testing.assert_close(out, plain * gain[:, :, None, None] + bias[:, :, None, None])
    bare = norm(x, torch.zeros(8, 3))
    torch.testing.assert_close(bare.mean((0, 2, 3)), torch.zeros(5), rtol=0, atol=1e-5)
    torch.testing.assert_close(bare.std((0, 2, 3), correction=0), torch.ones(5), rtol=0, atol=1e-4)


def test_in_eval_mode_no_image_depends_on_the_others():
    g = small(num_classes=3, attention=8)["generator"]
    z, labels = torch.randn(6, 24), torch.arange(6) % 3
    trained = g(z, labels)
    g.eval()
    torch.testing.assert_close(g(z, labels)[2:3], g(z[2:3], labels[2:3]), rtol=0, atol=1e-5)
    assert not torch.allclose(trained, g(z, labels), atol=1e-3)


def test_blocks_are_residual():
    """The cheaper order of skip convolution and resampling changes nothing."""
    nets = small(spectral=False)
    up, x = nets["generator"].blocks[0].eval(), torch.randn(2, 16, 4, 4)
    condition = torch.randn(2, 8)
    h = F.interpolate(F.relu(up.norm_1(x, condition)), scale_factor=2, mode="nearest")
    h = up.conv_2(F.relu(up.norm_2(up.conv_1(h), condition)))
    expected = h + up.skip(F.interpolate(x, scale_factor=2, mode="nearest"))
    torch.testing.assert_close(up(x, condition), expected)
    first, second, third = nets["discriminator"].blocks
    image = torch.randn(2, 3, 16, 16)
    h = first.conv_2(F.relu(first.conv_1(image)))
    torch.testing.assert_close(first(image), F.avg_pool2d(h + first.skip(image), 2))
    x = torch.randn(2, 16, 8, 8)
    kept = x.clone()
    h = second.conv_2(F.relu(second.conv_1(F.relu(x))))
    torch.testing.assert_close(second(x), F.avg_pool2d(h + second.skip(x), 2))
    torch.testing.assert_close(third(x), third.conv_2(F.relu(third.conv_1(F.relu(x)))) + x)
    assert torch.equal(x, kept)  # the skip must not see what ReLU left


def test_projection_by_hand():
    d = small(num_classes=3)["discriminator"].eval()
    x, labels = torch.randn(4, 3, 16, 16), torch.tensor([2, 0, 1, 2])
    features = x
    for block in d.blocks:
        features = block(features)
    h = features.clamp(min=0).sum((2, 3))
    for i in range(4):
        psi = (d.last.weight[0] * h[i]).sum() + d.last.bias[0]
        torch.testing.assert_close(d(x, labels)[i], psi + (d.embedding.weight[:, labels[i]] * h[i]).sum())
    torch.testing.assert_close(d.features(x), h)


def test_no_sample_of_the_discriminator_depends_on_the_others():
    d = small(num_classes=3, attention=8)["discriminator"].eval()
    assert not kinds(d, nn.modules.batchnorm._BatchNorm)
    x, labels = torch.randn(4, 3, 16, 16), torch.tensor([2, 0, 1, 2])
    torch.testing.assert_close(d(x, labels)[1:2], d(x[1:2], labels[1:2]))


def test_attention_does_nothing_at_first_and_then_what_the_formula_says():
    layer = biggan.Attention(16, lambda layer: layer)
    x = torch.randn(2, 16, 4, 6)
    assert torch.equal(layer(x), x)
    layer.gamma.data.fill_(0.5)
    queries, keys, values = (
        F.conv2d(x, m.weight) for m in (layer.queries, layer.keys, layer.values)
    )  # 24 places look at 6
    keys, values = (F.max_pool2d(t, 2).flatten(2) for t in (keys, values))
    maps = layer.maps(x)
    assert maps.shape == (2, 24, 6)
    torch.testing.assert_close(maps.sum(2), torch.ones(2, 24))
    for n in range(2):
        for place in range(24):
            scores = torch.stack([queries[n].flatten(1)[:, place] @ keys[n][:, k] for k in range(6)])
            weights = scores.exp() / scores.exp().sum()
            torch.testing.assert_close(maps[n, place], weights)
            read = layer.out.weight[:, :, 0, 0] @ (values[n] @ weights)
            torch.testing.assert_close(layer(x)[n].flatten(1)[:, place], x[n].flatten(1)[:, place] + 0.5 * read)


@pytest.mark.parametrize(
    ("size", "side", "channels"), [(16, 8, 16), (32, 8, 16), (32, 16, 16), (64, 8, 32), (64, 32, 8)]
)
def test_attention_stands_where_it_is_asked_for(size, side, channels):
    """`channels`: the generator's at that side, for width 4."""
    nets = small(size, attention=side)
    assert all(m.attention is None for m in small(size).values())
    g, d = nets["generator"], nets["discriminator"]
    seen = []
    for net in (g, d):
        net.attention.register_forward_pre_hook(lambda module, args: seen.append(tuple(args[0].shape)))
    z = torch.randn(2, 24)
    d(g(z))
    assert [shape[-1] for shape in seen] == [side, side]
    assert seen[0][1] == channels
    assert g.eval().attention_maps(z).shape == (2, side**2, side**2 // 4)


def test_attention_maps_are_those_used_on_the_way():
    g = small(32, attention=16, num_classes=3)["generator"].eval()
    z, labels, seen = torch.randn(2, 24), torch.tensor([0, 2]), []
    g.attention.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    g(z, labels)
    torch.testing.assert_close(g.attention_maps(z, labels), g.attention.maps(seen[0]))


def test_spectral_norm_bounds_every_layer_but_the_generators_embedding():
    nets = small(num_classes=3, attention=8, orthogonal=False)
    with torch.no_grad():
        for net in nets.values():
            for module in kinds(net, (nn.Conv2d, nn.Linear)):
                stored(module).mul_(50)
    for _ in range(60):  # power iterations, one a pass
        images = nets["generator"](torch.randn(2, 24), torch.tensor([0, 1]))
        nets["discriminator"](images.detach(), torch.tensor([0, 1]))
    for net in nets.values():
        for module in kinds(net.eval(), (nn.Conv2d, nn.Linear)):
            largest = float(torch.linalg.matrix_norm(module.weight.detach().flatten(1), 2))
            if module is nets["generator"].shared:
                assert largest > 1.1
            else:
                assert largest == pytest.approx(1, abs=0.02)
    assert not any(hasattr(m, "parametrizations") for net in small(spectral=False).values() for m in net.modules())


def test_initial_weights_are_orthogonal_or_small():
    for net in small(num_classes=3, attention=8).values():
        for module in kinds(net, (nn.Conv2d, nn.Linear)):
            rows = stored(module).flatten(1)
            rows = rows if len(rows) <= rows.shape[1] else rows.T
            torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), rtol=0, atol=1e-5)
            assert module.bias is None or not module.bias.any()
    weights = torch.cat(
        [stored(m).flatten() for m in kinds(small(orthogonal=False)["generator"], (nn.Conv2d, nn.Linear))]
    )
    assert float(weights.detach().std()) == pytest.approx(0.02, rel=0.05)


def test_orthogonal_penalty_is_equation_3():
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Linear(5, 7), biggan.Embedding(6, 5), nn.BatchNorm2d(4))
    loss = biggan.orthogonal_penalty(net)
    expected = 0.0
    for weight in (net[0].weight.flatten(1), net[1].weight):
        gram = weight @ weight.T
        expected = expected + ((gram * (1 - torch.eye(len(gram)))) ** 2).sum()
    torch.testing.assert_close(loss, expected)
    loss.backward()
    weight = net[1].weight.detach()
    by_hand = 4 * (weight @ weight.T * (1 - torch.eye(7))) @ weight
    torch.testing.assert_close(net[1].weight.grad, by_hand)
    assert net[2].weight.grad is None


def test_orthogonal_penalty_sees_the_weights_before_spectral_norm():
    nets = small(num_classes=3, attention=8)
    for net in nets.values():  # wide layers start orthogonal; what is left are those with more rows than columns
        tall = [stored(m) for m in kinds(net, (nn.Conv2d, nn.Linear)) if not isinstance(m, biggan.Embedding)]
        tall = [w.flatten(1) for w in tall if len(w) > w[0].numel()]
        expected = sum(((w @ w.T) ** 2).sum() - ((w @ w.T).diagonal() ** 2).sum() for w in tall)
        torch.testing.assert_close(biggan.orthogonal_penalty(net), expected, rtol=1e-4, atol=1e-4)
        biggan.orthogonal_penalty(net).backward()
    before = biggan.orthogonal_penalty(nets["generator"])
    with torch.no_grad():
        for module in kinds(nets["generator"], (nn.Conv2d, nn.Linear)):
            stored(module).mul_(2)
    torch.testing.assert_close(biggan.orthogonal_penalty(nets["generator"]), 16 * before)
    assert nets["generator"].shared.weight.grad is None


@pytest.mark.parametrize("threshold", [0.04, 0.5, 2.0])
def test_truncation(threshold):
    rng = torch.Generator().manual_seed(3)
    cut = biggan.truncated(1000, 100, threshold, rng)
    clipped = biggan.truncated(1000, 100, threshold, rng, method="clip")
    assert cut.shape == clipped.shape == (1000, 100)
    for z in (cut, clipped):
        assert z.abs().max() <= threshold
        assert abs(z.mean()) < 0.01 * threshold  # 100,000 values: a standard error of at most 0.003
    outside = 1 - math.erf(threshold / math.sqrt(2))
    assert (clipped.abs() == threshold).float().mean() == pytest.approx(outside, abs=0.006)
    assert (cut.abs() == threshold).float().mean() < 1e-3
    # Rejection, written out.
    z = torch.randn(4_000_000 if threshold < 0.1 else 400_000, generator=rng)
    kept = z[z.abs() <= threshold][:100_000]
    grid = torch.linspace(-1, 1, 21)[1:-1] * threshold
    for point in grid:
        share = float((kept <= point).float().mean())
        assert (cut <= point).float().mean() == pytest.approx(share, abs=0.008)


def test_truncation_is_repeatable_and_approaches_the_normal_law():
    a, b = (biggan.truncated(5, 7, 1.0, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(a, b)
    z = biggan.truncated(1000, 100, 100.0, torch.Generator().manual_seed(1))
    assert z.isfinite().all()
    assert z.std() == pytest.approx(1, abs=0.01)


def test_standing_statistics_are_the_mean_over_batches():
    g = small(num_classes=3, attention=8)["generator"]
    g(torch.randn(4, 24), torch.tensor([0, 1, 2, 0]))
    g.blocks[0].eval()  # modes stay as they were
    modes = [m.training for m in g.modules()]
    vectors = {name: b.clone() for name, b in g.named_buffers() if name.endswith(("_u", "_v"))}
    seen = {}
    for name, norm in g.named_modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.register_forward_pre_hook(lambda m, args, name=name: seen.setdefault(name, []).append(args[0]))
    biggan.standing_statistics(g, 3, 5, rng=torch.Generator().manual_seed(4))
    assert len(seen) == 5
    for name, inputs in seen.items():
        norm = g.get_submodule(name)
        assert [x.shape[0] for x in inputs] == [5, 5, 5]
        torch.testing.assert_close(norm.running_mean, sum(x.mean((0, 2, 3)) for x in inputs) / 3)
        torch.testing.assert_close(norm.running_var, sum(x.var((0, 2, 3)) for x in inputs) / 3)
        assert norm.momentum == 0.1
    assert [m.training for m in g.modules()] == modes
    assert all(torch.equal(vectors[name], b) for name, b in g.named_buffers() if name in vectors)


def test_standing_statistics_follow_the_latents():
    g = small()["generator"]
    variances = []
    for threshold in (None, 0.1):
        biggan.standing_statistics(g, 4, 16, rng=torch.Generator().manual_seed(4), threshold=threshold)
        variances.append(g.blocks[0].norm_1.norm.running_var.mean())
    assert variances[1] < 0.05 * variances[0]


@pytest.mark.parametrize("classes", [0, 3])
def test_gradients_reach_everything(classes):
    nets = small(num_classes=classes, attention=8)
    labels = [torch.arange(4) % 3] if classes else []
    for net in nets.values():
        net.attention.gamma.data.fill_(0.1)
    images = nets["generator"](torch.randn(4, 24), *labels)
    nets["discriminator"](images, *labels).sum().backward()
    for net in nets.values():
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
            assert parameter.grad.any(), name


def test_a_gradient_penalty_can_be_differentiated():
    d = small(num_classes=3, attention=8)["discriminator"]
    x = torch.randn(4, 3, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(d(x, torch.arange(4) % 3).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    assert stored(d.blocks[0].conv_1).grad.any()


def test_mixed_precision_stays_near():
    nets = small(num_classes=3, attention=8)
    g, d = (net.eval() for net in nets.values())
    z, labels = torch.randn(4, 24), torch.arange(4) % 3
    images = g(z, labels)
    logits = d(images, labels)
    with torch.autocast("cpu", torch.bfloat16):
        low = g(z, labels).float()
        low_logits = d(images, labels).float()
    assert (low - images).abs().max() < 0.1
    assert (low_logits - logits).abs().max() < 0.05 * logits.abs().max() + 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: biggan.build((3, 8, 8)), r"sample_shape: \(3, 8, 8\) is not allowed; expected \(channels, S, S\)"),
        (lambda: biggan.build((3, 48, 48)), r"sample_shape: \(3, 48, 48\) is not allowed"),
        (lambda: biggan.build((2,)), r"sample_shape: \(2,\) is not allowed"),
        (lambda: small(num_classes=-1), "num_classes: -1 is not allowed"),
        (lambda: small(z_dim=2), "z_dim: 2 is not allowed; expected an integer >= 3"),
        (lambda: small(z_dim=0, hierarchical=False), "z_dim: 0 is not allowed; expected an integer >= 1"),
        (lambda: small(g_width=2), "g_width: 2 is not allowed; expected an integer >= 4"),
        (lambda: small(d_width=513), "d_width: 513 is not allowed"),
        (lambda: small(shared_dim=-1), "shared_dim: -1 is not allowed"),
        (lambda: small(attention=16), r"attention: 16 is not allowed; expected one of \[0, 8\]"),
        (lambda: small(attention=False), "attention: False is not allowed"),
        (lambda: small(spectral=1), "spectral: 1 is not allowed; expected True or False"),
        (lambda: small(hierarchical="yes"), "hierarchical: 'yes' is not allowed"),
        (lambda: small(orthogonal=None), "orthogonal: None is not allowed"),
        (lambda: small()["generator"](torch.zeros(2, 23)), r"z: \(2, 23\) is not allowed; expected shape \(N, 24\)"),
        (lambda: small()["generator"](torch.zeros(2, 24), torch.zeros(2)), "labels: .* None: the network was built"),
        (lambda: small(num_classes=3)["generator"](torch.zeros(2, 24)), "labels: None is not allowed"),
        (lambda: small(num_classes=3)["generator"](torch.zeros(2, 24), torch.tensor([0])), "labels: '1 labels'"),
        (
            lambda: small(num_classes=3)["discriminator"](torch.zeros(1, 3, 16, 16), torch.tensor([3])),
            "labels: '3 to 3'",
        ),
        (lambda: small(num_classes=3)["discriminator"](torch.zeros(1, 3, 16, 16)), "labels: None is not allowed"),
        (lambda: small()["generator"].attention_maps(torch.zeros(1, 24)), "attention: 0 is not allowed"),
        (lambda: biggan.truncated(2, 3, 0.0, torch.Generator()), "threshold: 0.0 is not allowed"),
        (lambda: biggan.truncated(2, 3, math.inf, torch.Generator()), "threshold: inf is not allowed"),
        (lambda: biggan.truncated(2, 3, 1.0, torch.Generator(), "cut"), "method: 'cut' is not allowed"),
        (lambda: biggan.truncated(-1, 3, 1.0, torch.Generator()), "n: -1 is not allowed"),
        (lambda: biggan.standing_statistics(small()["generator"], 0, 4, rng=torch.Generator()), "batches: 0 is not"),
        (lambda: biggan.standing_statistics(small()["generator"], 1, 1, rng=torch.Generator()), "batch_size: 1 is not"),
    ],
)
def test_bad_input_is_one_clear_line(call, message):
    with pytest.raises(InputError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
