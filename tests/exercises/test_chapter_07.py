"""The checks of chapter 7's exercises: right answers pass, typical wrong ones are told what is off."""

import torch
from torch.nn import functional as F

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def test_projection(capsys):
    solved("7.1", lambda h, y, w, b, V: h @ w + b + (V[y] * h).sum(1))
    capsys.readouterr()
    assert "does not know the label" in said(capsys, "7.1", lambda h, y, w, b, V: (V[y] * h).sum(1))
    assert "nothing in it depends" in said(capsys, "7.1", lambda h, y, w, b, V: h @ w + b)
    assert "b is missing" in said(capsys, "7.1", lambda h, y, w, b, V: h @ w + (V[y] * h).sum(1))
    assert "all classes" in said(capsys, "7.1", lambda h, y, w, b, V: h @ w + b + (h @ V.T).sum(1))
    assert "fits best" in said(capsys, "7.1", lambda h, y, w, b, V: h @ w + b + (h @ V.T).amax(1))
    assert "every pair" in said(capsys, "7.1", lambda h, y, w, b, V: h @ w + b + V[y] @ h.T)
    assert "mixes samples" in said(capsys, "7.1", lambda h, y, w, b, V: (h @ w + b).mean() + (V[y] * h).sum(1))
    assert "are not <w, h>" in said(capsys, "7.1", lambda h, y, w, b, V: h @ w - b + (V[y] * h).sum(1))
    assert "returns None" in said(capsys, "7.1", lambda h, y, w, b, V: None)


def norm(x, dims=(0, 2, 3), unbiased=False):
    return (x - x.mean(dims, keepdim=True)) / (x.var(dims, keepdim=True, unbiased=unbiased) + 1e-5).sqrt()


def rows(table, y):
    return table[y][:, :, None, None]


def test_conditional_norm(capsys):
    solved("7.2", lambda x, y, g, b: norm(x) * rows(g, y) + rows(b, y))
    capsys.readouterr()

    def one(**how):
        return said(capsys, "7.2", lambda x, y, g, b: norm(x, **how) * rows(g, y) + rows(b, y))

    assert "nothing depends on the class" in said(capsys, "7.2", lambda x, y, g, b: norm(x))
    assert "not normalised" in said(capsys, "7.2", lambda x, y, g, b: x * rows(g, y) + rows(b, y))
    assert "biases are missing" in said(capsys, "7.2", lambda x, y, g, b: norm(x) * rows(g, y))
    assert "gains are missing" in said(capsys, "7.2", lambda x, y, g, b: norm(x) + rows(b, y))
    assert "not by 1 + gain" in said(capsys, "7.2", lambda x, y, g, b: norm(x) * (1 + rows(g, y)) + rows(b, y))
    assert "alone" in one(dims=(2, 3))
    assert "over the pixels too" in one(dims=(0,))
    assert "of its own" in one(dims=(0, 1, 2, 3))
    assert "one less" in one(unbiased=True)
    assert "row of each sample's label" in said(capsys, "7.2", lambda x, y, g, b: norm(x) * g[0, 0] + b[0, 0])
    assert "shape" in said(capsys, "7.2", lambda x, y, g, b: x.flatten(1))
    assert "returns None" in said(capsys, "7.2", lambda x, y, g, b: None)


def again(n, threshold, rng):
    z = torch.randn(n, generator=rng)
    while (outside := z.abs() > threshold).any():
        z[outside] = torch.randn(int(outside.sum()), generator=rng)
    return z


def test_draw_again(capsys):
    solved("7.3", again)
    capsys.readouterr()
    assert "on the edge" in said(capsys, "7.3", lambda n, t, r: torch.randn(n, generator=r).clamp(-t, t))
    assert "some lie outside" in said(capsys, "7.3", lambda n, t, r: torch.randn(n, generator=r))
    assert "spread evenly" in said(capsys, "7.3", lambda n, t, r: (torch.rand(n, generator=r) * 2 - 1) * t)
    assert "all are positive" in said(capsys, "7.3", lambda n, t, r: again(n, t, r).abs())
    assert "do not rescale" in said(capsys, "7.3", lambda n, t, r: again(n, 3.0, r) * t / 3.01)
    assert "same rng" in said(capsys, "7.3", lambda n, t, r: again(n, t, torch.Generator().manual_seed(r.seed())))

    def inside_only(n, t, r):
        z = torch.randn(n, generator=r)
        return z[z.abs() <= t]

    assert "instead of leaving out" in said(capsys, "7.3", inside_only)
    assert "returns None" in said(capsys, "7.3", lambda n, t, r: None)


def by_rounds(kernel, side):
    v = torch.ones(1, kernel.shape[1], side, side)
    for _ in range(300):
        u = F.conv2d(v, kernel, padding=1)
        v = F.conv_transpose2d(u / u.norm(), kernel, padding=1)
        v = v / v.norm()
    return F.conv2d(v, kernel, padding=1).norm()


def test_stretch(capsys):
    solved("7.4", by_rounds)
    capsys.readouterr()
    as_matrix = "largest singular value of the kernel as a matrix"
    assert as_matrix in said(capsys, "7.4", lambda k, s: torch.linalg.matrix_norm(k.flatten(1), 2))
    assert "its square" in said(capsys, "7.4", lambda k, s: by_rounds(k, s) ** 2)
    assert "length of the kernel" in said(capsys, "7.4", lambda k, s: k.norm())
    assert "too little" in said(capsys, "7.4", lambda k, s: 0.9 * by_rounds(k, s))
    assert "no picture" in said(capsys, "7.4", lambda k, s: 2 * by_rounds(k, s))
    assert "returns None" in said(capsys, "7.4", lambda k, s: None)
