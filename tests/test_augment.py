"""DiffAugment and ADA: what they do to images, to gradients, and how p moves."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from gan_tutorial import augment, penalties
from gan_tutorial.augment import ADA, GROUPS, KINDS, Augmentation, diffaugment
from gan_tutorial.errors import CheckpointError, InputError

EVERYTHING = {
    "diffaugment": diffaugment,
    "paper": lambda x: ADA()(x, 0.8),
    "all groups": lambda x: ADA(GROUPS)(x, 0.8),
}
each = pytest.mark.parametrize("change", EVERYTHING.values(), ids=EVERYTHING)


def images(n, channels=3, size=16, dtype=torch.float32):
    return torch.rand(n, channels, size, size, dtype=dtype) * 2 - 1


def seeded(change, x, seed=1):
    torch.manual_seed(seed)
    return change(x)


def draw(n, p=1.0):
    return augment._Draw(n, torch.tensor(p, dtype=torch.float64), torch.float64, torch.device("cpu"))


def affine(a=1.0, b=0.0, x=0.0, c=0.0, d=1.0, y=0.0):
    return torch.tensor([[[a, b, x], [c, d, y], [0, 0, 1]]], dtype=torch.float64)


def waves(x=0.0, y=0.0, size=32):
    """An image of frequencies up to a quarter of what its pixels can hold, moved by (x, y) pixels."""
    i = torch.arange(size, dtype=torch.float64)
    across, down = (i - x)[None, :] * math.pi, (i - y)[:, None] * math.pi
    return sum((f * across + f).cos() * (0.8 * f * down + 2).cos() for f in (0.05, 0.15, 0.25))[None, None]


# -- in general ------------------------------------------------------------------------------------------------------
@each
@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (2, 3, 17, 17), (3, 3, 2, 2), (1, 3, 64, 64)])
def test_shape_and_dtype_stay(change, shape):
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        x = torch.rand(shape).to(dtype)
        y = change(x)
        assert y.shape == shape
        assert y.dtype == dtype
        assert y.isfinite().all()


@each
def test_the_global_seed_decides(change):
    x = images(8)
    first = seeded(change, x)
    assert torch.equal(first, seeded(change, x))
    assert not torch.equal(first, seeded(change, x, seed=2))
    assert not torch.equal(first, x)


@each
def test_each_image_is_changed_on_its_own(change):
    y = change(images(1).expand(6, -1, -1, -1))
    assert all(not torch.equal(y[i], y[j]) for i in range(6) for j in range(i))


@each
def test_memory_layout_does_not_matter(change):
    x = images(8)
    y = seeded(change, x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(y, seeded(change, x), rtol=0, atol=1e-6)


@each
def test_autocast_costs_no_precision(change):
    """Also not in the gradient, which a penalty takes under autocast."""

    def value_and_gradients(x):
        x = x.clone().requires_grad_()
        y = seeded(change, x)
        (gradient,) = torch.autograd.grad(y.sin().sum(), x, create_graph=True)
        (second,) = torch.autograd.grad(gradient.square().sum(), x)
        return y, gradient, second

    x = images(8)
    with torch.autocast("cpu", torch.bfloat16):
        half = value_and_gradients(x)
    for a, b in zip(half, value_and_gradients(x), strict=True):
        assert torch.equal(a, b)


@each
def test_nothing_waits_for_the_device(change, monkeypatch):
    x = images(4, size=32)
    seeded(change, x)  # builds the constants

    def read(*args, **kwargs):
        raise AssertionError("a value was read back")

    for name in ("item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__int__", "__float__", "__index__"):
        monkeypatch.setattr(torch.Tensor, name, read)
    seeded(change, x)
    held = Augmentation("ada")
    for _ in range(5):
        held.observe(x, 4)
    held(x)


# -- gradients -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("channels", [1, 3])
@each
def test_first_and_second_derivatives(change, channels):
    x = images(2, channels, 4, torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: seeded(change, x), x)
    assert torch.autograd.gradgradcheck(lambda x: seeded(change, x), x)


@each
def test_r1_through_the_augmentation_equals_finite_differences(change):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.Softplus(), nn.Conv2d(4, 1, 4), nn.Flatten()).double()
    x, weight, step = images(4, size=8, dtype=torch.float64), net[0].weight, 1e-6

    def loss():
        return penalties.r1(lambda x: net(seeded(change, x)), x)

    (gradient,) = torch.autograd.grad(loss(), weight)
    assert gradient.abs().max() > 1e-4
    for at in ((0, 0, 0, 0), (3, 2, 1, 2)):
        values = []
        for move in (step, -2 * step):
            with torch.no_grad():
                weight[at] += move
            values.append(loss().item())
        with torch.no_grad():
            weight[at] += step
        assert gradient[at].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-9)


def test_constants_made_under_inference_mode_serve_training():
    augment._doubling.cache_clear()
    augment._octaves.cache_clear()
    with torch.inference_mode():
        ADA(GROUPS)(images(2, size=9), 1.0)
    x = images(2, size=9).requires_grad_()
    ADA(GROUPS)(x, 1.0).sum().backward()
    assert x.grad.abs().sum() > 0


# -- DiffAugment -----------------------------------------------------------------------------------------------------
def test_diffaugment_brightness_and_contrast():
    x = torch.zeros(4000, 1, 2, 2)
    x[:, :, 0] = 0.2  # mean 0.1, 0.1 away from it
    y = diffaugment(x, ["color"])
    moved, stretch = y.mean((1, 2, 3)) - 0.1, (y[:, 0, 0, 0] - y[:, 0, 1, 0]) / 0.2
    for values, low, high in ((moved, -0.5, 0.5), (stretch, 0.5, 1.5)):
        assert low - 1e-5 <= values.min() < low + 0.01
        assert high + 1e-5 >= values.max() > high - 0.01
        assert values.std().item() == pytest.approx(1 / math.sqrt(12), rel=0.05)


def test_diffaugment_saturation():
    x = torch.zeros(4000, 3, 2, 2)
    x[:, 0] = 0.3  # one colour everywhere: contrast and saturation both scale its distance from grey
    y = diffaugment(x, ["color"])
    ratio = (y - y.mean(1, keepdim=True))[:, 0, 0, 0] / 0.2
    # x U(0, 2) x U(0.5, 1.5): mean 1, mean square 4/3 x 13/12
    assert ratio.mean().item() == pytest.approx(1, abs=0.04)
    assert ratio.square().mean().item() == pytest.approx(13 / 9, rel=0.08)
    assert ratio.min() >= -1e-5
    assert ratio.max() <= 3 + 1e-5


def test_diffaugment_translation_shifts_and_fills_with_zero():
    x = images(1, size=16) + 2  # no pixel is zero
    padded = F.pad(x, (2, 2, 2, 2))
    windows = {(i, j): padded[0, :, i : i + 16, j : j + 16] for i in range(5) for j in range(5)}
    found = []
    for y in diffaugment(x.expand(600, -1, -1, -1), ["translation"]):
        found.append(*[shift for shift, window in windows.items() if torch.equal(y, window)])
    shares = torch.tensor([found.count(shift) for shift in windows]) / 600
    assert shares.min() > 0.01
    assert shares.max() < 0.08  # uniform: 0.04


def test_diffaugment_cutout():
    holes = diffaugment(torch.ones(4000, 1, 16, 16), ["cutout"])[:, 0] == 0
    rows, columns = holes.any(2), holes.any(1)
    assert torch.equal(holes, rows[:, :, None] & columns[:, None, :])
    for side in (rows.sum(1), columns.sum(1)):
        # The square's middle is one of 17 places, and half of it may lie outside.
        assert side.max() == 8
        assert side.min() == 4
        assert side.double().mean().item() == pytest.approx((9 * 8 + 2 * (4 + 5 + 6 + 7)) / 17, abs=0.1)


def test_diffaugment_follows_its_policy():
    x = images(4)
    assert torch.equal(diffaugment(x, []), x)
    torch.manual_seed(0)
    one_by_one = diffaugment(diffaugment(x, ["cutout"]), ["color"])
    torch.manual_seed(0)
    assert torch.equal(diffaugment(x, ["cutout", "color"]), one_by_one)


# -- ADA: how often --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("p", [0.0, torch.tensor(0.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_at_p_0_every_bit_stays(p, dtype):
    for channels in (1, 3):
        x = images(16, channels).to(dtype)
        assert torch.equal(ADA(GROUPS)(x, p), x)


@pytest.mark.parametrize(
    ("group", "untouched"),
    [
        # p is 0.2. No flip, no turn, and a shift that rounds to 0 leave an image untouched too.
        ("blit", (1 - 0.2 / 2) * (1 - 0.2 * 3 / 4) * (1 - 0.2 * 3 / 4)),
        ("geometric", 0.8**4),  # the two rotations count as one
        ("color", 0.8**4 * (1 - 0.2 / 2)),
        ("filter", 0.8**4),
        ("corrupt", 0.8**2),
    ],
)
def test_each_transformation_happens_with_probability_p(group, untouched):
    x = images(4000, size=8)
    y = ADA([group])(x, torch.tensor(0.2))
    share = (y == x).flatten(1).all(1).double().mean().item()
    assert share == pytest.approx(untouched, abs=0.03)  # 4 standard deviations


def test_flips_hide_what_is_real_only_at_p_1():
    """Flips mix the shares of an image and its mirror image by [[1-q, q], [q, 1-q]]; its determinant is 1 - 2q."""
    for p in (0.0, 0.5, 0.9, 1.0):
        q = (torch.det(augment._blit_map(draw(20_000, p), 16)) < 0).double().mean().item()
        assert 1 - 2 * q == pytest.approx(1 - p, abs=0.03)


# -- ADA: where pixels come from -------------------------------------------------------------------------------------
def test_blits_are_whole_pixels_of_the_reflected_image():
    x = images(1, size=16)
    candidates = {}
    for flip in (False, True):
        for turns in range(4):
            y = torch.rot90(x.flip(3) if flip else x, turns, (2, 3))
            padded = F.pad(y, (2, 2, 2, 2), mode="reflect")
            for i in range(5):
                for j in range(5):
                    candidates[flip, turns, i - 2, j - 2] = padded[0, :, i : i + 16, j : j + 16]
    names, stack = list(candidates), torch.stack(list(candidates.values()))
    found = []
    for y in ADA(["blit"])(x.expand(1000, -1, -1, -1), 1.0):
        matches = (stack == y).flatten(1).all(1).nonzero()
        assert len(matches) == 1
        found.append(names[matches.item()])
    flips, turns, down, right = torch.tensor([[int(v) for v in f] for f in found]).double().T
    assert flips.mean().item() == pytest.approx(0.5, abs=0.07)
    assert all((turns == k).double().mean().item() == pytest.approx(0.25, abs=0.06) for k in range(4))
    for shift in (down, right):  # a uniform number from -2 to 2, rounded
        assert all(
            (shift == k).double().mean().item() == pytest.approx(share, abs=0.06)
            for k, share in ((-2, 1 / 8), (-1, 1 / 4), (0, 1 / 4), (1, 1 / 4), (2, 1 / 8))
        )


def test_whole_pixels_far_outside_are_reflections_of_reflections():
    x = torch.arange(4.0, dtype=torch.float64).expand(1, 1, 4, 4)
    y = augment._whole_pixels(x, affine(x=-8))
    assert y[0, 0, 0].tolist() == [2, 1, 0, 1]  # ... 3 2 1 0 1 2 3 2 1 | 0 1 2 3


def test_geometric_spreads():
    n, size = 20_000, 32
    m = augment._geometric_map(draw(n), size)
    linear, shift = m[:, :2, :2], m[:, :2, 2]
    zoom = -torch.det(linear).log2() / 2
    assert zoom.mean().item() == pytest.approx(0, abs=0.01)
    assert zoom.std().item() == pytest.approx(0.2, rel=0.03)
    values = torch.linalg.svdvals(linear)
    stretch = (values[:, 0] / values[:, 1]).log2() / 2  # |N(0, 0.2)|
    assert stretch.square().mean().sqrt().item() == pytest.approx(0.2, rel=0.03)
    moved = -torch.linalg.solve(linear, shift)  # in pixels of the result
    assert moved.std(0).tolist() == pytest.approx([size / 8] * 2, rel=0.03)
    angle = torch.atan2(linear[:, 1, 0], linear[:, 0, 0])
    shares = torch.histc(angle, 8, -math.pi, math.pi) / n
    assert shares.tolist() == pytest.approx([1 / 8] * 8, abs=0.015)
    turned = (augment._geometric_map(draw(n, 0.3), size)[:, 0, 1] != 0).double().mean().item()
    assert turned == pytest.approx(0.3, abs=0.015)


def test_wavelets_are_what_they_are_called():
    for taps, moments in ((augment.SYM6, 6), (augment.SYM2, 2)):
        h = torch.tensor(taps, dtype=torch.float64)
        n = torch.arange(len(h))
        for k in range(len(h) // 2):
            assert (h[2 * k :] * h[: len(h) - 2 * k]).sum().item() == pytest.approx(float(k == 0), abs=1e-10)
        for k in range(moments):
            assert ((-1.0) ** n * n**k * h).sum().item() == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize("size", [2, 3, 16, 33])
def test_resampling_by_nothing_and_by_whole_pixels(size):
    x = images(2, size=size)
    still = augment._resample(x, affine().float().expand(2, 3, 3))
    torch.testing.assert_close(still, x, rtol=0, atol=2e-5)
    x = x.double()
    moved = augment._resample(x, affine(x=1, y=-1).expand(2, 3, 3))
    expected = augment._whole_pixels(x, affine(x=1, y=-1).expand(2, 3, 3))
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("shift", [(0.5, 0.0), (0.3, -0.8), (-2.37, 1.61)])
def test_resampling_moves_a_smooth_image_by_parts_of_a_pixel(shift):
    x, y = shift
    moved = augment._resample(waves(), affine(x=-x, y=-y))
    inner = slice(5, -5)
    difference = (moved - waves(x, y))[..., inner, inner].abs().max()
    assert (
        difference < 0.05
    )  # of a range of 5; measured 0.04. Bilinear samples of the image itself miss by 0.10 to 0.15.
    assert (waves() - waves(x, y))[..., inner, inner].abs().max() > 0.3


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_resampling_turns_the_way_blits_do(turns):
    c, s = round(math.cos(turns * math.pi / 2)), round(math.sin(turns * math.pi / 2))
    matrix = affine(c, -s, 0, s, c, 0)
    whole = augment._whole_pixels(waves(), matrix)
    inner = slice(3, -3)
    assert (augment._resample(waves(), matrix) - whole)[..., inner, inner].abs().max() < 0.05
    assert torch.equal(whole, torch.rot90(waves(), turns, (2, 3)))


def test_shrinking_does_not_alias():
    """Stripes too fine for the smaller image turn grey; a plain bilinear sampler makes coarse stripes of them."""
    stripes = (torch.arange(64, dtype=torch.float64) * (0.9 * math.pi)).cos().expand(1, 1, 64, 64)
    matrix = affine(1.6, 0, 0, 0, 1.6, 0)
    inner = slice(16, -16)
    grid = F.affine_grid(matrix[:, :2], (1, 1, 64, 64), align_corners=False)
    plain = F.grid_sample(stripes, grid, align_corners=False)[..., inner, inner]
    ours = augment._resample(stripes, matrix)[..., inner, inner]
    assert plain.std() > 0.3
    assert ours.std() < 0.2 * plain.std()


def test_blits_and_geometry_are_one_map():
    """A blit that geometry undoes leaves the image: nothing was cut off in between."""
    x = waves()
    blit, undo = affine(-1, 0, 3, 0, 1, 2), torch.linalg.inv(affine(-1, 0, 3, 0, 1, 2))
    torch.testing.assert_close(augment._resample(x, blit @ undo), x, rtol=0, atol=1e-9)
    ada, seen = ADA(["blit", "geometric"]), []
    original = augment._resample
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augment, "_blit_map", lambda draw, size: blit)
        patch.setattr(augment, "_geometric_map", lambda draw, size: undo)
        patch.setattr(augment, "_resample", lambda x, source: seen.append(source) or original(x, source))
        torch.testing.assert_close(ada(x, 0.5), x, rtol=0, atol=1e-9)
        assert len(seen) == 1
        zoom = affine(0.5, 0, 0, 0, 0.5, 0)  # what it shows lies inside, so doing one after the other shows the same
        patch.setattr(augment, "_geometric_map", lambda draw, size: zoom)
        torch.testing.assert_close(ada(x, 0.5), original(augment._whole_pixels(x, blit), zoom), rtol=0, atol=0.05)


# -- ADA: colours, frequencies, corruptions --------------------------------------------------------------------------
class Given:
    """Draws that come out as given: brightness, contrast, flip, hue, saturation."""

    dtype, device, n = torch.float64, torch.device("cpu"), 1

    def __init__(self, *values):
        self.values = iter(values)

    def normal(self, *shape):
        return torch.zeros(1, *shape, dtype=torch.float64)

    def uniform(self, low, high):
        return self.normal()

    def integer(self, high):
        return self.normal()

    def sometimes(self, value, otherwise, p=None):
        return torch.full_like(value, next(self.values))


def test_colours_equal_the_steps_applied_one_by_one():
    x = images(1, dtype=torch.float64)
    for brightness, contrast, flip, hue, saturation in (
        (0.3, 1.7, 1, 2 * math.pi / 3, 0.4),
        (-0.2, 0.6, 0, -2 * math.pi / 3, 2.5),
        (0.1, 1.2, 1, 0, 0),
    ):
        y = augment._recolour(x, augment._colour_matrix(Given(brightness, contrast, flip, hue, saturation)))
        step = (x + brightness) * contrast
        step = step - 2 * flip * step.mean(1, keepdim=True)
        step = step.roll(round(hue / (2 * math.pi / 3)), 1)  # a third of a turn: red to green, green to blue
        grey = step.mean(1, keepdim=True)
        torch.testing.assert_close(y, grey + saturation * (step - grey))


def test_hue_turns_around_the_grey_axis():
    x = images(1, dtype=torch.float64)
    y = augment._recolour(x, augment._colour_matrix(Given(0, 1, 0, 0.7, 1)))
    torch.testing.assert_close(y.mean(1), x.mean(1))
    a, b = (z - z.mean(1, keepdim=True) for z in (x, y))
    torch.testing.assert_close(b.norm(dim=1), a.norm(dim=1))
    torch.testing.assert_close((a * b).sum(1), math.cos(0.7) * a.square().sum(1))


def test_colour_spreads():
    m = augment._colour_matrix(draw(20_000))
    grey = m[:, :3, :3].sum(2).mean(1)  # +- contrast: what happens to white
    assert (grey < 0).double().mean().item() == pytest.approx(0.5, abs=0.02)
    assert grey.abs().log2().std().item() == pytest.approx(0.5, rel=0.03)
    assert (m[:, :3, 3].mean(1) / grey).std().item() == pytest.approx(0.2, rel=0.03)
    chroma = torch.linalg.svdvals(m[:, :3, :3] - grey[:, None, None] / 3)[:, 0] / grey.abs()
    assert chroma.log2().std().item() == pytest.approx(1, rel=0.03)


def test_a_grey_image_is_treated_as_its_three_channels_would_be():
    x = images(32, channels=1)
    grey = seeded(lambda x: ADA(["color"])(x, 1.0), x)
    colour = seeded(lambda x: ADA(["color"])(x, 1.0), x.expand(-1, 3, -1, -1))
    torch.testing.assert_close(grey.expand(-1, 3, -1, -1), colour, rtol=1e-5, atol=1e-5)


def test_octaves_add_up_and_divide_the_frequencies():
    size = 64
    octaves = augment._octaves(size, torch.float64, torch.device("cpu"))
    torch.testing.assert_close(octaves.sum(0), torch.eye(size, dtype=torch.float64))
    for octave, frequency in enumerate((1 / 64, 3 / 16, 3 / 8, 1.0)):  # in units of what pixels can hold
        wave = (torch.arange(size, dtype=torch.float64) * (math.pi * frequency)).cos()
        response = ((octaves @ wave)[:, 24:40] * wave[24:40]).sum(1) / wave[24:40].square().sum()
        assert response.argmax() == octave
        assert response[octave] > 0.7
    # Three of the four let no constant through.
    assert octaves.sum(2).abs().amax(1).tolist() == pytest.approx([1, 0, 0, 0], abs=1e-12)


def test_amplifying_keeps_the_expected_power():
    x = torch.ones(1, 1, 64, 64, dtype=torch.float64)
    stripes = x * (-1.0) ** torch.arange(64)
    for octave in range(4):
        strength = torch.ones(1, 4, dtype=torch.float64)
        strength[0, octave] = 2.5
        share = augment.POWER[octave]
        norm = math.sqrt(1 + share * (2.5**2 - 1))
        low = (2.5 if octave == 0 else 1) / norm
        high = (2.5 if octave == 3 else 1) / norm
        torch.testing.assert_close(augment._amplify(x, strength), x * low**2)  # both axes pass the lowest octave
        torch.testing.assert_close(augment._amplify(stripes, strength), stripes * low * high)
    assert sum(augment.POWER) == pytest.approx(1)


def test_corruptions():
    y = ADA(["corrupt"])(torch.ones(3000, 3, 16, 16), 1.0)
    holes = (y == 0).all(1)
    rows, columns = holes.any(2), holes.any(1)
    assert torch.equal(holes, rows[:, :, None] & columns[:, None, :])
    assert rows.sum(1).max() == 8
    # A square of side 1/2 around a uniform point of [0, 1] covers 7/16 of a line on average.
    assert rows.sum(1).double().mean().item() == pytest.approx(7, abs=0.1)
    noise = torch.where(holes[:, None], math.nan, y - 1)
    sigma = noise.square().nanmean((1, 2, 3)).sqrt()
    assert sigma.square().mean().sqrt().item() == pytest.approx(0.1, rel=0.07)
    assert sigma.median().item() == pytest.approx(0.0674, rel=0.1)  # of |N(0, 0.1)|


# -- the controller --------------------------------------------------------------------------------------------------
def test_p_rises_while_d_is_too_sure_and_falls_while_it_is_not():
    held = Augmentation("ada", images=1000)
    sure, unsure = torch.full((32,), 3.0), torch.tensor([1.0, -1.0]).repeat(16)
    for call in range(8):
        held.observe(sure, 32)
        assert held.p.item() == pytest.approx((call + 1) // 4 * 128 / 1000)  # every fourth call, by what was seen since
    for _ in range(4):
        held.observe(unsure, 32)
    assert held.p.item() == pytest.approx(0.128)
    for _ in range(8):
        held.observe(unsure, 32)
    assert held.p == 0
    for _ in range(4 * 20):
        held.observe(sure, 32)
    assert held.p == 1


@pytest.mark.parametrize(("target", "moves"), [(0.4, 1), (0.5, 0), (0.6, -1)])
def test_the_target_is_a_mean_sign_over_four_calls(target, moves):
    held = Augmentation("ada", target=target, images=100, p=0.5)
    for wrong in (0, 4, 4, 8):  # of 16 logits, whose size does not matter: mean sign 0.5
        logits = torch.linspace(1, 50, 16).view(16, 1)
        logits[:wrong] *= -1
        held.observe(logits, 5)
    assert held.p.item() == pytest.approx(0.5 + moves * 20 / 100)


def test_ada_uses_the_p_it_holds():
    x = images(64)
    held = Augmentation("ada")
    assert torch.equal(held(x), x)
    held = Augmentation("ada", p=1.0)
    assert (held(x) != x).flatten(1).any(1).all()
    assert torch.equal(seeded(held, x), seeded(lambda x: ADA()(x, 1.0), x))


def test_the_other_kinds_do_not_listen():
    x = images(4)
    for kind, expected in (("none", lambda x: x), ("diffaugment", diffaugment)):
        held = Augmentation(kind, p=0.25)
        for _ in range(8):
            held.observe(torch.ones(4), 1000)
        assert held.p == 0.25
        assert torch.equal(seeded(held, x), seeded(expected, x))


@pytest.mark.parametrize("kind", KINDS)
def test_state_goes_on_bit_for_bit(kind):
    def observe(held, calls):
        trace = []
        for logits in calls:
            held.observe(logits, len(logits))
            trace.append(held.p.item())
        return trace

    calls = torch.randn(12, 16) + 0.9
    whole = Augmentation(kind, images=777)
    trace = observe(whole, calls)
    assert kind != "ada" or len(set(trace)) > 2
    for cut in (2, 4, 7):
        first = Augmentation(kind, images=777)
        observe(first, calls[:cut])
        state = {name: v.clone() if isinstance(v, torch.Tensor) else v for name, v in first.state_dict().items()}
        assert all(isinstance(v, (torch.Tensor, int, float)) for v in state.values())
        second = Augmentation(kind, images=777, p=0.9)
        second.load_state_dict(state)
        assert observe(second, calls[cut:]) == trace[cut:]
        assert state["p"].item() == first.p.item()  # what was loaded is a copy


# -- wrong input -----------------------------------------------------------------------------------------------------
X = torch.zeros(2, 3, 8, 8)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: diffaugment(X, ["colour"]), "policy: 'colour' is not known; did you mean 'color'?"),
        (lambda: diffaugment(X[0]), "x: (3, 8, 8) is not allowed"),
        (lambda: diffaugment(X[:, :2]), "C = 1 or 3"),
        (lambda: ADA()(X[..., :7], 0.5), "x: (2, 3, 8, 7) is not allowed"),
        (lambda: ADA()(X[..., :1, :1], 0.5), "S >= 2"),
        (lambda: ADA()(X.to(torch.uint8), 0.5), "x: torch.uint8 is not allowed"),
        (lambda: ADA(["geometry"]), "groups: 'geometry' is not known; did you mean 'geometric'?"),
        (lambda: ADA()(X, 1.5), "p: 1.5 is not allowed; expected a finite number >= 0 and <= 1"),
        (lambda: ADA()(X, torch.zeros(2)), "p: (2,) is not allowed"),
        (lambda: Augmentation("adda"), "augment: 'adda' is not known; did you mean 'ada'?"),
        (lambda: Augmentation("ada", target=2), "augment_target: 2 is not allowed"),
        (lambda: Augmentation("ada", images=0), "images: 0 is not allowed"),
        (lambda: Augmentation("ada", p=-0.1), "p: -0.1 is not allowed"),
    ],
)
def test_errors_are_one_line(call, words):
    with pytest.raises(InputError) as caught:
        call()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_state_of_something_else_is_refused():
    held = Augmentation("ada", p=0.5)
    with pytest.raises(CheckpointError, match=r"^augmentation: the state holds p; expected calls, logits, .*$"):
        held.load_state_dict({"p": torch.tensor(0.1)})
    assert held.p == 0.5
