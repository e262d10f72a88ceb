"""Metrics beside the packages that define them: the Fréchet distance by SciPy's matrix root, neighbours by prdc.

Each contender works with as many cores as it has threads, and before it is timed it is compared with ours: one that
gives other numbers is reported as one that could not run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks import peers
from benchmarks.options import Options
from benchmarks.timing import Contender, compare
from gan_tutorial.metrics.frechet import Statistics, frechet_distance
from gan_tutorial.metrics.manifold import Manifold

ROOTS, SQRTM = "ours", "SciPy's sqrtm"
NEIGHBOURS, PRDC = "ours", "prdc 0.2"
K = 5


def one_core_a_thread() -> None:
    """prdc always starts eight threads, and BLAS as many as there are cores: leave them no more than torch has."""
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    threadpool_limits(threads)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def gaussians(width: int) -> list[Statistics]:
    """Of two sets of features whose spreads differ by a factor of 20 from one to another, as those of networks do."""
    rng = torch.Generator().manual_seed(0)
    spread = torch.linspace(0.1, 2, width, dtype=torch.float64)
    samples = (torch.randn(3 * width, width, generator=rng, dtype=torch.float64) * spread * s for s in (1.0, 1.2))
    return [Statistics.of(x) for x in samples]


def parameters(width: int) -> list[Tensor]:
    a, b = gaussians(width)
    return [a.mean, a.covariance, b.mean, b.covariance]


def by_sqrtm(mu1: Tensor, sigma1: Tensor, mu2: Tensor, sigma2: Tensor) -> float:
    """Equation 6 of Heusel et al. (2017) as it is written."""
    from scipy.linalg import sqrtm

    root = sqrtm(sigma1.numpy() @ sigma2.numpy())
    return float((mu1 - mu2).square().sum() + sigma1.trace() + sigma2.trace() - 2 * root.trace().real)


def ours_frechet(width: int) -> Callable[[], Any]:
    one_core_a_thread()
    given = parameters(width)
    return lambda: frechet_distance(*given)


def theirs_frechet(width: int) -> Callable[[], Any]:
    one_core_a_thread()
    given = parameters(width)
    mine, found = frechet_distance(*given), by_sqrtm(*given)
    if not abs(mine - found) <= 1e-6 * abs(found):
        raise ArithmeticError(f"{found} is not our {mine}")
    return lambda: by_sqrtm(*given)


def run_frechet(options: Options, width: int = 2048) -> dict[str, Any]:
    sizes = {"width": 16 if options.quick else width}
    contenders = [
        Contender(ROOTS, "benchmarks.distances:ours_frechet", sizes),
        Contender(SQRTM, "benchmarks.distances:theirs_frechet", sizes),
    ]
    short = {} if options.quick else {"rounds": min(options.rounds, 3)}  # a root of 2,048 x 2,048 takes ten seconds
    return {
        "title": f"Fréchet distance of Gaussians in {sizes['width']:,} dimensions",
        "items": None,
        **compare(contenders, base=ROOTS, **{**options.timing, **short}),
        "notes": ["From means and covariances on, on the CPU. Both gave the same within 1e-6 before they were timed."],
    }


def clouds(n: int, width: int) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    real, fake = torch.randn(2, n, width, generator=rng)
    return real, 1.05 * fake


def ours_neighbours(n: int, width: int) -> Callable[[], Any]:
    one_core_a_thread()
    real, fake = clouds(n, width)
    return lambda: Manifold(real, K).measure(fake)


def theirs_neighbours(n: int, width: int) -> Callable[[], Any]:
    one_core_a_thread()
    compute = peers.load("prdc").compute_prdc
    real, fake = clouds(n, width)
    found = compute(real.numpy(), fake.numpy(), K)
    (precision, recall), (density, coverage) = Manifold(real, K).measure(fake)
    mine = {"precision": precision, "recall": recall, "coverage": coverage, "density": round(density * K * n)}
    found["density"] = round(found["density"] * K * n)  # a count over K n, in another order of rounding
    if mine != found:
        raise ArithmeticError(f"{found} is not our {mine}")
    return lambda: compute(real.numpy(), fake.numpy(), K)


def run_neighbours(options: Options, width: int = 64) -> dict[str, Any]:
    sizes = {"n": 60, "width": 4} if options.quick else {"n": 10_000, "width": width}
    contenders = [
        Contender(NEIGHBOURS, "benchmarks.distances:ours_neighbours", sizes),
        Contender(PRDC, "benchmarks.distances:theirs_neighbours", sizes, str(peers.PYTHON)),
    ]
    short = {} if options.quick else {"rounds": min(options.rounds, 5 if width < 1000 else 3)}
    n = sizes["n"]
    return {
        "title": f"Precision, recall, density, coverage: {n:,} x {n:,}, {sizes['width']:,} features",
        "items": ("pairs", n * n),
        **compare(contenders, base=NEIGHBOURS, **{**options.timing, **short}),
        "notes": ["On the CPU, float32. Both gave exactly the same four numbers before they were timed."],
    }
