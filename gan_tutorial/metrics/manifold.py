"""Distances between samples: precision and recall, density and coverage, and the nearest real neighbours.

All of it needs to know which distances are small, of N x M, and only those exactly. So products of matrices, block by
block, give a lower bound of every squared distance, in few bits first where that is fast; what the bound leaves open is
computed again, difference by difference in float64. The answers are those of the exact distances. 10,000 against
10,000 samples take about 100 MB beside several copies of the features, and however many samples there are, a block
stays a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from gan_tutorial.errors import require, require_integer

BLOCK = 1024  # samples a side of the distances that are in memory at once
EXACT = 2**17  # differences in memory at once, float64: as many as a cache holds
DEPTH = 512  # products that are added up before their sum is added to the others
GROUP = 16  # columns of which the least is looked at first
WIDE = 512  # columns from which on products in bfloat16 pay, on a CPU that has a unit for them


class PrecisionRecall(NamedTuple):
    """Shares from 0 to 1. precision: fakes that look real. recall: real samples that the fakes reach."""

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """density: how many real balls a fake is in, over k, on average: 1 for a perfect generator, more where fakes crowd
    into the middle of the data. coverage: the share of real balls, 0 to 1, that hold a fake."""

    density: float
    coverage: float


class Manifold:
    """Real samples, kept to compare many sets of fakes with them.

    Around each sample lies a ball that just reaches its `k`-th nearest neighbour among the others; the union of the
    balls stands for the distribution's support. Distances have the precision of `real`, float32 or float64. As in the
    package prdc, what lies exactly on a ball's edge is outside; but a ball always holds its own centre, so that a
    sample that is there more than `k` times is still reached by its copies.

    Args:
        real: (N, D) points or features, finite, N > k.
        k: 3 in the paper on precision and recall, 5 in that on density and coverage, or another integer >= 1.

    Raises InputError for other shapes and ranges.
    """

    def __init__(self, real: Tensor, k: int = 3) -> None:
        require_integer("k", k, 1)
        self.real, self.k = _vectors("real", real, k + 1, f" (k + 1, k = {k})"), k
        require(bool(_finite(self.real).all()), "real", "NaN or infinity", "finite values only")
        self._squares = _least(self.real, None, k)[0][:, -1]

    def precision_recall(self, fake: Tensor) -> PrecisionRecall:
        """Precision: the share of fakes (M, D), M > k, in a real sample's ball; recall: the share of real samples in a
        fake's ball (Kynkäänniemi et al. 2019, equations 1 and 2). A fake that is not finite is near nothing and has no
        ball.

        A perfect generator does not reach 1: 512 real points against 512 have 0.96 of both on ring-8, 0.94 on grid-25.
        """
        return self.measure(fake)[0]

    def density_coverage(self, fake: Tensor) -> DensityCoverage:
        """Density and coverage of fakes (M, D), M >= 1 (Naeem et al. 2020, equations 3 and 4). A fake that is not
        finite is in no ball.

        For a perfect generator, as many fakes as real samples and few neighbours, coverage is about 1 - 2^-k whatever
        the data (their equation 9): 0.97 with k = 5, 0.87 with 3. Density is 1 on average.
        """
        inside, covered, _, _ = self._compare(self._fakes(fake, 1), None)
        return DensityCoverage(inside / (self.k * len(fake)), covered.double().mean().item())

    def measure(self, fake: Tensor) -> tuple[PrecisionRecall, DensityCoverage]:
        """Both of the above, for the distances of one."""
        fake = self._fakes(fake, self.k + 1)
        finite = fake[_finite(fake)]
        squares = _least(finite, None, self.k)[0][:, -1] if len(finite) > self.k else None  # else too few for balls
        inside, covered, precise, reached = self._compare(finite, squares)
        shares = PrecisionRecall(precise.sum().item() / len(fake), reached.double().mean().item())
        return shares, DensityCoverage(inside / (self.k * len(fake)), covered.double().mean().item())

    def _fakes(self, fake: Tensor, least: int) -> Tensor:
        fake = _vectors("fake", fake, least, f" (k + 1, k = {self.k})" if least > 1 else "").to(self.real)
        width = self.real.shape[1]
        require(fake.shape[1] == width, "fake", tuple(fake.shape), f"as many columns as the real ones, {width}")
        return fake

    def _compare(self, fake: Tensor, squares: Tensor | None) -> tuple[int, Tensor, Tensor, Tensor]:
        """How many pairs of a real ball and a fake in it there are; which real balls hold a fake, bool (N,); which of
        the finite fakes are in a real ball; which real samples are in a fake's ball, of squared radius `squares`."""
        fake = fake[_finite(fake)]
        covered, reached = (self.real.new_zeros(len(self.real), dtype=torch.bool) for _ in range(2))
        precise, count = self.real.new_zeros(len(fake), dtype=torch.bool), 0
        balls = self._squares, fake.new_full((len(fake),), -torch.inf).double() if squares is None else squares
        for i, j, in_real, in_fake in _within(self.real, fake, *balls):
            count += int(in_real.sum())
            covered[i[in_real]] = True
            precise[j[in_real]] = True
            reached[i[in_fake]] = True
        return count, covered, precise, reached


def precision_recall(real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Improved precision and recall of fakes (M, D) against real samples (N, D): `Manifold` without keeping it."""
    return Manifold(real, k).precision_recall(fake)


def density_coverage(real: Tensor, fake: Tensor, k: int = 5) -> DensityCoverage:
    """Density and coverage of fakes (M, D) against real samples (N, D): `Manifold` without keeping it."""
    return Manifold(real, k).density_coverage(fake)


def nearest(queries: Tensor, real: Tensor, k: int = 1) -> tuple[Tensor, Tensor]:
    """The `k` nearest of the `real` samples to each query, by Euclidean distance.

    Args:
        queries: (Q, ...), points, features or images; all but the first dimension are as those of `real`.
        real: (N, ...), N >= k.
        k: an integer >= 1.

    Returns:
        indices into `real`, int64 (Q, k), nearest first; distances, float32 (Q, k), NaN
        for a query that is not finite. Real samples that are not finite come last, at NaN.

    Raises InputError for other shapes and ranges.
    """
    require_integer("k", k, 1, len(real))
    shapes = tuple(queries.shape), tuple(real.shape)
    require(shapes[0][1:] == shapes[1][1:] and len(shapes[0]) > 1, "queries, real", shapes, "(Q, ...), (N, ...) alike")
    x, y = (_at_home(values).flatten(1).float() for values in (queries, real))
    whole, known = _finite(x), _finite(y)
    order = torch.cat([known.nonzero()[:, 0], (~known).nonzero()[:, 0]])
    indices = order[:k].expand(len(x), k).clone()
    distances = x.new_full((len(x), k), torch.nan)
    most = min(k, int(known.sum()))
    if most:
        squares, columns = _least(x[whole], y[known], most)
        indices[whole, :most] = order[columns]
        distances[whole, :most] = squares.sqrt().float()
    return indices.to(queries.device), distances.to(queries.device)


def nearest_others(x: Tensor, k: int = 1) -> Tensor:
    """Distances, float32 or float64 (N, k) as `x` (N, D), from each sample to its `k` nearest among the others, nearest
    first. The samples have to be finite. Raises InputError for another shape and for N <= k."""
    require_integer("k", k, 1)
    x = _vectors("x", x, k + 1, f" (k + 1, k = {k})")
    require(bool(_finite(x).all()), "x", "NaN or infinity", "finite values only")
    return _least(x, None, k)[0].to(x.dtype).sqrt()


def _vectors(name: str, x: Tensor, least: int, why: str = "") -> Tensor:
    require(x.dim() == 2 and len(x) >= least and x.shape[1] > 0, name, tuple(x.shape), f"(N, D) with N >= {least}{why}")
    return _at_home(x) if x.dtype == torch.float64 else _at_home(x).float()


def _at_home(x: Tensor) -> Tensor:
    return x.detach().cpu() if x.device.type == "mps" else x.detach()  # which has no float64


def _finite(x: Tensor) -> Tensor:
    """Which rows hold neither NaN nor infinity, bool (N,)."""
    least, most = torch.aminmax(x, dim=1)
    return (least > -torch.inf) & (most < torch.inf)


# -- bounds by products, and what they leave open by differences ------------------------------------------------------
class _Bounds:
    """Lower bounds of |x_i - y_j|^2 / scale^2 by products of matrices.

    With points about a common centre, |x|^2 + |y|^2 - 2 x.y is computed as one sum of products, `DEPTH` terms at a time
    and then the parts. In whatever order a library adds a part, that is off by at most the number of additions on the
    longest way times eps (|x|^2 + |y|^2) (Higham 2002, section 3.1), and by a few eps of it more since centred points
    and norms are rounded. `slack` holds that share of |x|^2, and a little for what underflows; it is taken off every
    norm.

    dtype: of the bounds. spare: how many more than the nearest have to be kept, so that these are among them.
    """

    spare = 2

    def __init__(self, x: Tensor, y: Tensor | None, dtype: torch.dtype) -> None:
        # The fewer bits a point spends on where all of them are, the more are left for what tells them apart.
        sets = [x] if y is None else [x, y]
        centre = torch.stack([points.mean(0, dtype=torch.float64) for points in sets]).mean(0)
        most = centre.abs().amax() + max(points.abs().amax().double() for points in sets)
        self.scale = 2.0 ** int((most * x.shape[1] ** 0.5).frexp().exponent)
        self.dtype = dtype
        self._prepare(sets, centre)

    def _prepare(self, sets: list[Tensor], centre: Tensor) -> None:
        self.left, self.right, self.slack_x = self._operands(sets[0], centre)
        self.slack_y = self.slack_x
        if len(sets) > 1:
            _, self.right, self.slack_y = self._operands(sets[1], centre)

    def _operands(self, points: Tensor, centre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        n, width = points.shape
        left, right = (torch.ones(n, width + 2, dtype=self.dtype, device=points.device) for _ in range(2))
        slack = torch.empty(n, dtype=torch.float64, device=points.device)
        share = (min(width, DEPTH) + width // DEPTH + 16) * torch.finfo(self.dtype).eps
        for rows, z in self._centred(points, centre):
            norm = z.square().sum(1)
            slack[rows] = share * norm + 1e-30
            left[rows, 0] = right[rows, 1] = (norm - slack[rows]).to(self.dtype)
            right[rows, 2:] = z
        torch.mul(right[:, 2:], -2, out=left[:, 2:])
        return left, right, slack

    def _centred(self, points: Tensor, centre: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Rows, and what they hold about the centre, over the scale, in float64; some at a time."""
        for start in range(0, len(points), BLOCK // 8):
            rows = slice(start, start + BLOCK // 8)
            yield rows, (points[rows].double() - centre).div_(self.scale)

    def lower(self, rows: Tensor | slice, columns: slice) -> Tensor:
        left, right = self.left[rows], self.right[columns]
        parts = [a @ b.T for a, b in zip(left.split(DEPTH + 2, 1), right.split(DEPTH + 2, 1), strict=True)]
        for part in parts[1:]:
            parts[0] += part
        return parts[0]

    def upper(self, low: Tensor, i: Tensor, j: Tensor) -> Tensor:
        """Upper bounds, float64, from the lower ones of pairs of rows."""
        return low + 2 * (self.slack_x[i] + self.slack_y[j])


class _Coarse(_Bounds):
    """The same, looser, by products in bfloat16: of numbers with 8 bits, added up in float32, the sum cut to 8 again.

    A point x is stored as x', or with `fine` as x' + x'', the 8 bits that come next. Let r be the largest share of |x|
    that any point has lost then, and q that of any |x''|. What is left out of x.y is at most (2 r + r^2 + q^2) |x| |y|,
    and 2 |x| |y| is at most |x|^2 + |y|^2. The last rounding is taken off every product by itself.
    """

    spare = 20
    ROUNDING = 1.01 * 2**-8

    def __init__(self, x: Tensor, y: Tensor | None, fine: bool) -> None:
        self.fine = fine
        super().__init__(x, y, torch.float32)

    def _prepare(self, sets: list[Tensor], centre: Tensor) -> None:
        stored = [self._stored(points, centre) for points in sets]
        lost, rest = (max(shares) for shares in zip(*((r, q) for *_, r, q in stored), strict=True))
        terms = stored[0][0].shape[1] * (2 * self.fine + 1)  # of a sum, each addition off by half an eps at most
        share = 2 * lost + lost**2 + self.fine * rest**2
        share += (terms / 2 + 16) * torch.finfo(torch.float32).eps * (1 + lost) ** 2 * (1 + 2 * self.fine * rest)
        (x, more_x, norm_x, *_), (y, more_y, norm_y, *_) = stored[0], stored[-1]
        self.left, self.right = -2 * x, y
        if self.fine:
            self.left, self.right = torch.cat([self.left, -2 * more_x, self.left], 1), torch.cat([y, y, more_y], 1)
        self.slack_x, self.slack_y = (share * norm + 1e-30 for norm in (norm_x, norm_y))
        self.near_x, self.near_y = (norm_x - self.slack_x).float(), (norm_y - self.slack_y).float()

    def _stored(self, points: Tensor, centre: Tensor) -> tuple[Tensor, Tensor, Tensor, float, float]:
        """x' and x''; squared norms, float64; r and q of these points."""
        first, second = (torch.empty(points.shape, dtype=torch.bfloat16, device=points.device) for _ in range(2))
        norm, lost, rest = torch.empty(len(points), dtype=torch.float64, device=points.device), 0.0, 0.0
        for rows, z in self._centred(points, centre):
            first[rows], norm[rows] = z, z.square().sum(1)
            z -= first[rows]
            if self.fine:
                second[rows] = z
                rest = max(rest, _share(second[rows].double(), norm[rows]))
                z -= second[rows]
            lost = max(lost, _share(z, norm[rows]))
        return first, second, norm, lost, rest

    def lower(self, rows: Tensor | slice, columns: slice) -> Tensor:
        product = (self.left[rows] @ self.right[columns].T).float()
        product.sub_(product.abs(), alpha=self.ROUNDING)
        return product.add_(self.near_x[rows, None]).add_(self.near_y[columns])

    def upper(self, low: Tensor, i: Tensor, j: Tensor) -> Tensor:
        product = (low - self.near_x[i] - self.near_y[j]).abs() / (1 - self.ROUNDING)
        return super().upper(low, i, j) + 2 * self.ROUNDING * product


def _share(part: Tensor, norm: Tensor) -> float:
    """The largest length of `part` (N, D), over that of its point, whose squared norms are (N,)."""
    return (part.square().sum(1) / norm.clamp(min=1e-300)).max().sqrt().item()


def _bounds(x: Tensor, y: Tensor | None, precision: torch.dtype, fine: bool = False) -> _Bounds:
    return _Coarse(x, y, fine) if precision == torch.bfloat16 else _Bounds(x, y, precision)


def _precisions(x: Tensor) -> tuple[torch.dtype, ...]:
    """Those to find bounds in, one after the other: float32 only where its products are not cut to fewer bits, bfloat16
    where the CPU has a unit for it (AMX), which is several times as fast."""
    whole = torch.get_float32_matmul_precision() == "highest" and not torch.is_autocast_enabled(x.device.type)
    if x.device.type != "cpu" or not whole:
        return (torch.float64,)
    fast = x.shape[1] >= WIDE and getattr(torch.cpu, "_is_amx_tile_supported", bool)()
    return (*([torch.bfloat16] if fast else []), torch.float32, torch.float64)


def _squared(x: Tensor, y: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """|x_i - y_j|^2, float64 (P,), of pairs of rows."""
    pairs = max(1, EXACT // x.shape[1])
    found = [x.new_empty(0, dtype=torch.float64)]
    for a, b in zip(i.split(pairs), j.split(pairs), strict=True):
        found.append(x.index_select(0, a).double().sub_(y.index_select(0, b).double()).square_().sum(1))
    return torch.cat(found)


def _nearly_squared(x: Tensor, y: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """The same, faster, from squares in float32: off by at most 4 eps of it. NaN where these may overflow or
    underflow."""
    pairs = max(1, EXACT // x.shape[1])
    found = [x.new_empty(0, dtype=torch.float64)]
    for a, b in zip(i.split(pairs), j.split(pairs), strict=True):
        found.append(x.index_select(0, a).sub_(y.index_select(0, b)).square_().sum(1, dtype=torch.float64))
    squares = torch.cat(found)
    return squares.masked_fill((squares < 1e-25) | (squares > 1e30), torch.nan)


def _where(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and columns of what is true, where little is: eight at a time are looked at first."""
    flat = mask.flatten()
    if len(flat) % 8 == 0:
        eights = flat.view(torch.int64).nonzero()[:, 0]
        which, place = flat.view(-1, 8)[eights].nonzero().T
        flat = eights[which] * 8 + place
    else:
        flat = flat.nonzero()[:, 0]
    return flat // mask.shape[1], flat % mask.shape[1]


def _slices(n: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, n)) for start in range(0, n, BLOCK)]


def _least(x: Tensor, y: Tensor | None, k: int) -> tuple[Tensor, Tensor]:
    """Of each row of `x` the `k` least squared distances to rows of `y`, float64 (N, k), and the numbers of these rows;
    without `y`, to the other rows of `x`. Ascending. All values have to be finite, and there have to be `k` rows."""
    y_or_x = x if y is None else y
    found = x.new_empty(len(x), k, dtype=torch.float64), torch.empty(len(x), k, dtype=torch.int64, device=x.device)
    rows = torch.arange(len(x), device=x.device)
    for dtype in _precisions(x):
        if len(rows):
            rows = rows[~_settled(x, y, k, rows, _bounds(x, y, dtype), found)]
    for some in rows.split(max(1, BLOCK**2 // len(y_or_x))):  # too close together for any bound
        exact = torch.cdist(x[some].double(), y_or_x.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
        if y is None:
            exact.scatter_(1, some[:, None], torch.inf)
        columns = exact.topk(k, 1, largest=False).indices
        i = some[:, None].expand_as(columns)
        found[0][some] = _squared(x, y_or_x, i.flatten(), columns.flatten()).view(-1, k)
        found[1][some] = columns
    return found


def _settled(
    x: Tensor, y: Tensor | None, k: int, rows: Tensor, bounds: _Bounds, found: tuple[Tensor, Tensor]
) -> Tensor:
    """Write into `found` what `_least` gives for `rows`, where the bounds can tell; returns where, bool."""
    n, device = len(bounds.right), x.device
    kept = min(k + bounds.spare, n - (y is None))
    best = torch.full((len(rows), kept), torch.inf, dtype=bounds.dtype, device=device)
    column = torch.zeros(len(rows), kept, dtype=torch.int64, device=device)
    both = y is None and len(rows) == n  # then a block serves its rows and, turned, its columns
    for a in _slices(len(rows)):
        for b in _slices(n):
            if both and b.start < a.start:
                continue
            block = bounds.lower(a if len(rows) == len(x) else rows[a], b)
            if y is None:
                own = rows[a] - b.start
                mine = ((own >= 0) & (own < block.shape[1])).nonzero()[:, 0]
                block[mine, own[mine]] = torch.inf
            _merge(best[a], column[a], block, b.start)
            if both and b.start > a.start:
                _merge(best[b], column[b], block.T, a.start)
    # The first k give a limit; what has a bound above it is not among the nearest.
    best, order = best.sort(1)
    column = column.gather(1, order)
    others, exact = x if y is None else y, torch.full_like(best, torch.inf, dtype=torch.float64)
    exact[:, :k] = _squared(x, others, rows.repeat_interleave(k), column[:, :k].flatten()).view(-1, k)
    exact.masked_fill_(torch.isinf(best), torch.inf)
    near, place = (best[:, k:].double() * bounds.scale**2 <= exact[:, :k].amax(1, keepdim=True)).nonzero().T
    exact[near, k + place] = _squared(x, others, rows[near], column[near, k + place])
    exact.masked_fill_(torch.isinf(best), torch.inf)
    order = exact.sort(1).indices[:, :k]
    squares = exact.gather(1, order)
    # What was not kept is farther than the farthest bound that was.
    limit = best.amax(1).double().clamp(min=0) * bounds.scale**2
    certain = (squares[:, -1] < limit) | (squares[:, -1] == 0) | (kept == n - (y is None))
    found[0][rows], found[1][rows] = squares, column.gather(1, order)
    return certain


def _merge(best: Tensor, column: Tensor, block: Tensor, start: int) -> None:
    """Keep in `best` (N, K) the least of it and of `block` (N, C), in `column` their numbers, from `start` for the
    block's first."""
    n, width = block.shape
    kept = best.shape[1]
    numbers: Tensor
    if width > 2 * GROUP * kept and width % GROUP == 0:
        # The K least lie in the K groups whose least are the least.
        stride, least = width, block
        while stride > width // GROUP:
            stride //= 2
            least = torch.minimum(least[:, :stride], least[:, stride:])
        group = least.contiguous().topk(kept, 1, largest=False, sorted=False).indices
        numbers = (group[:, None] + stride * torch.arange(GROUP, device=block.device)[:, None]).flatten(1)
        block = block.gather(1, numbers)
    else:
        numbers = torch.arange(width, device=block.device).expand(n, width)
    values, places = torch.cat([best, block], 1).topk(kept, 1, largest=False, sorted=False)
    column.copy_(torch.cat([column, numbers + start], 1).gather(1, places))
    best.copy_(values)


def _within(x: Tensor, y: Tensor, balls_x: Tensor, balls_y: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Block by block: i, j, whether y_j lies in the ball about x_i, and x_i in that about y_j; pairs in neither may be
    left out. Squared radii are float64 (N,) and (M,); below 0 there is no ball. Rounded to the precision of `x`, a
    distance has to be less than the radius, or 0."""
    if not len(y):
        return
    levels: list[_Bounds] = []
    rounding = 4 * torch.finfo(x.dtype).eps
    for a in _slices(len(x)):
        for b in _slices(len(y)):
            for level, dtype in enumerate(_precisions(x)):
                if level == len(levels):
                    levels.append(_bounds(x, y, dtype, fine=True))
                bounds, unit = levels[level], levels[level].scale ** 2
                # Rounding keeps order.
                at_x, at_y = ((balls / unit).to(bounds.dtype) for balls in (balls_x[a], balls_y[b]))
                lower = bounds.lower(a, b)
                i, j = _where((lower <= at_x[:, None]).logical_or_(lower <= at_y))
                low = lower[i, j].double()
                i, j = i + a.start, j + b.start
                low, high = low * unit, bounds.upper(low, i, j) * unit
                sure, unsure = _decided(low, high, balls_x[i], balls_y[j], rounding)
                if len(unsure) <= lower.numel() // 64:
                    break
            if isinstance(bounds, _Coarse) and x.dtype == torch.float32:
                at, share = unsure, 4 * torch.finfo(x.dtype).eps
                rough = _nearly_squared(x, y, i[at], j[at])
                low, high = ((rough * (1 + s)).nan_to_num(nan=s * torch.inf) for s in (-share, share))
                better, unsure = _decided(low, high, balls_x[i[at]], balls_y[j[at]], rounding)
                for inside, found in zip(sure, better, strict=True):
                    inside[at] = found
                unsure = at[unsure]
            exact = _squared(x, y, i[unsure], j[unsure])
            distance = (exact / unit).to(x.dtype).sqrt()  # divided by a power of 4, so that nothing leaves the range
            for inside, balls, k in ((sure[0], balls_x, i), (sure[1], balls_y, j)):
                ball = balls[k[unsure]]
                near = (distance < (ball.clamp(min=0) / unit).to(x.dtype).sqrt()) | (exact == 0)
                inside[unsure] = near & (ball >= 0)
            yield i, j, sure[0], sure[1]


def _decided(
    low: Tensor, high: Tensor, balls_x: Tensor, balls_y: Tensor, rounding: float
) -> tuple[list[Tensor], Tensor]:
    """Of pairs whose squared distances lie between `low` and `high`: which lie in a ball for certain, of either kind;
    and the numbers of those of which it is open."""
    sure = [high < balls * (1 - rounding) for balls in (balls_x, balls_y)]
    possible = ((low <= balls) & ~inside for balls, inside in zip((balls_x, balls_y), sure, strict=True))
    return sure, torch.stack([*possible]).any(0).nonzero()[:, 0]
