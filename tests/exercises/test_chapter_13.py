"""The checks of chapter 13's exercises: right answers pass, typical wrong ones are told what is off."""

import pytest
import torch

from gan_tutorial.exercises import check, solved

RIGHT = {"a": "dropped", "b": "copied", "c": "rubbish", "d": "blurred", "e": "repeated"}


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def test_frechet_1d(capsys):
    solved("13.1", lambda a, s, b, t: (a - b) ** 2 + (s - t) ** 2)
    solved("13.1", lambda a, s, b, t: torch.tensor((a - b) ** 2 + s**2 + t**2 - 2 * (s**2 * t**2) ** 0.5))
    capsys.readouterr()
    assert "returns None" in said(capsys, "13.1", lambda a, s, b, t: None)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda a, s, b, t: ((a - b) ** 2 + (s - t) ** 2) ** 0.5, "that is its root"),
        (lambda a, s, b, t: (a - b) ** 2, "the spreads have had no effect"),
        (lambda a, s, b, t: (s - t) ** 2, "the means have had no effect"),
        (lambda a, s, b, t: abs(a - b) + abs(s - t), "differences go in squared"),
        (lambda a, s, b, t: abs(a - b) + (s - t) ** 2, "difference of the means"),
        (lambda a, s, b, t: (a - b) ** 2 + abs(s - t), "difference of the standard deviations"),
        (lambda a, s, b, t: (a - b) ** 2 + s**2 + t**2, "the last part is missing"),
        (lambda a, s, b, t: (a - b) ** 2 + s + t - 2 * (s * t) ** 0.5, "wants variances"),
        (lambda a, s, b, t: (a - b) ** 2 + (s**2 - t**2) ** 2, "compares variances"),
        (lambda a, s, b, t: (a - b) ** 2 + s**2 + t**2 - 2 * s**2 * t**2, "take the root"),
        (lambda a, s, b, t: (a + b) ** 2 + (s - t) ** 2, "for means 1 and 4 and deviations 2 and 7 it is 34, not 50"),
        (lambda a, s, b, t: 34, "for means 0 and 0"),
    ],
)
def test_wrong_frechet_1d(capsys, wrong, hint):
    assert hint in said(capsys, "13.1", wrong)


def balls(among_real, k):
    return among_real.sort(1).values[:, k, None]


def answer(density=None, coverage=None, shift=0):
    """What returns the right density and coverage, or those of `inside`, whether a real sample's ball holds a fake."""

    def of(to_fakes, among_real, k):
        inside = (to_fakes < balls(among_real, k - shift)).float()
        right = inside.sum(0).mean() / k, inside.amax(1).mean()
        return (
            right[0] if density is None else density(inside, k),
            right[1] if coverage is None else coverage(inside, k),
        )

    return of


def test_density_coverage(capsys):
    solved("13.2", answer())
    solved("13.2", lambda *given: [float(value) for value in answer()(*given)])
    capsys.readouterr()
    assert "returns None" in said(capsys, "13.2", lambda *given: None)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda *given: 1.0, "return two numbers"),
        (lambda *given: answer()(*given)[::-1], "density comes first"),
        (answer(shift=1), "its own nearest, at distance 0"),
        (answer(density=lambda inside, k: inside.sum(0).mean()), "not divided by k"),
        (answer(density=lambda inside, k: inside.mean()), "a mean over fakes of the number of balls"),
        (answer(density=lambda inside, k: inside.mean() / k), "you take their mean"),
        (answer(density=lambda inside, k: inside.amax(0).mean()), "that is precision"),
        (answer(density=lambda inside, k: inside.sum(1).mean() / k), "yours is one over real samples"),
        (answer(density=lambda inside, k: 0.5), "with k = 3 the density is"),
        (answer(coverage=lambda inside, k: inside.amax(0).mean()), "a share of the real samples"),
        (answer(coverage=lambda inside, k: inside.sum(1).mean()), "not how many"),
        (answer(coverage=lambda inside, k: inside.sum(1).mean() / k), "not how many"),
        (answer(coverage=lambda inside, k: 0.5), "with k = 3 the coverage is"),
    ],
)
def test_wrong_density_coverage(capsys, wrong, hint):
    assert hint in said(capsys, "13.2", wrong)


def test_recall_is_no_coverage(capsys):
    """With the fakes' own balls, which the check has to know of without being given them."""
    draw = torch.Generator().manual_seed(13)
    torch.randn(40, 3, generator=draw)
    fake = 0.7 * torch.randn(25, 3, generator=draw)

    def recall(to_fakes, among_real, k):
        radius = balls(torch.cdist(fake, fake).fill_diagonal_(0), k)[:, 0]
        return answer()(to_fakes, among_real, k)[0], (to_fakes < radius).any(1).float().mean()

    assert "that is recall" in said(capsys, "13.2", recall)


def fitted(of):
    """The value at 0 of the least-squares line in `of(N)`."""

    def without_end(sizes, values):
        x = torch.tensor([of(n) for n in sizes], dtype=torch.float64)
        y = torch.tensor(values, dtype=torch.float64)
        design = torch.stack([torch.ones_like(x), x], 1)
        return torch.linalg.lstsq(design, y[:, None]).solution[0, 0]

    return without_end


def slope(sizes, values):
    x, y = 1 / torch.tensor(sizes, dtype=torch.float64), torch.tensor(values, dtype=torch.float64)
    return ((x - x.mean()) * (y - y.mean())).sum() / (x - x.mean()).square().sum()


def test_without_end(capsys):
    solved("13.3", fitted(lambda n: 1 / n))
    solved("13.3", fitted(lambda n: 1000 / n))
    capsys.readouterr()
    assert "returns None" in said(capsys, "13.3", lambda sizes, values: None)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda sizes, values: values[-1], "with the most samples"),
        (lambda sizes, values: sum(values) / len(values), "that is the mean"),
        (fitted(float), "one in N"),
        (fitted(lambda n: n**-0.5), "one in the root"),
        (slope, "that is the slope"),
        (lambda sizes, values: fitted(lambda n: 1 / n)(sizes[-2:], values[-2:]), "through two points"),
        (lambda sizes, values: fitted(lambda n: 1 / n)(sizes[::3], values[::3]), "through two points"),
        (lambda sizes, values: sum(n * v for n, v in zip(sizes, values, strict=True)) / sum(sizes), "a mean of"),
        (lambda sizes, values: 0.0, "for sizes [200, 400, 1000, 4000]"),
        (lambda sizes, values: fitted(lambda n: 1 / n)(sizes, values) if 200 in sizes else 2.0, "3 + 200 / N it is 3"),
    ],
)
def test_wrong_lines(capsys, wrong, hint):
    assert hint in said(capsys, "13.3", wrong)


def test_diagnosis(capsys):
    solved("13.4", RIGHT)
    solved("13.4", {letter: f" {word.upper()} " for letter, word in RIGHT.items()})
    capsys.readouterr()
    assert "not yet" in said(capsys, "13.4", None)
    assert "each of the letters" in said(capsys, "13.4", {"a": "dropped"})
    assert "c: 'noise' is none of the words: blurred, copied" in said(capsys, "13.4", RIGHT | {"c": "noise"})


@pytest.mark.parametrize(
    ("letter", "word", "hint"),
    [
        ("a", "blurred", "the score is half"),
        ("b", "dropped", "which one?"),
        ("c", "blurred", "precision is not"),
        ("d", "dropped", "nearly there"),
        ("e", "copied", "section 13.3"),
    ],
)
def test_wrong_diagnoses(capsys, letter, word, hint):
    said_of = said(capsys, "13.4", RIGHT | {letter: word})
    assert f"off: {letter}: look again" in said_of
    assert hint in said_of
