"""The checks of chapter 11's exercises: right answers pass, typical wrong ones are told what is off."""

import pytest
import torch

from gan_tutorial.exercises import check, solved


def said(capsys, number, *answer):
    check(number, *answer)
    return capsys.readouterr().out.strip()


def folded(frequency, rate):
    return min(frequency % rate, rate - frequency % rate)


def test_heard(capsys):
    solved("11.1", folded)
    solved("11.1", lambda frequency, rate: abs(frequency - round(frequency / rate) * rate))
    capsys.readouterr()
    assert "stays 700 Hz" in said(capsys, "11.1", lambda frequency, rate: rate / 2)
    assert "above half" in said(capsys, "11.1", lambda frequency, rate: frequency)
    assert "mirrored there" in said(capsys, "11.1", lambda frequency, rate: min(frequency, rate / 2))
    assert "count down" in said(capsys, "11.1", lambda frequency, rate: frequency % (rate / 2))
    assert "not negative" in said(capsys, "11.1", lambda frequency, rate: frequency - round(frequency / rate) * rate)
    once = said(capsys, "11.1", lambda frequency, rate: frequency if frequency < rate / 2 else abs(rate - frequency))
    assert "whole rates" in once
    assert "returns None" in said(capsys, "11.1", lambda frequency, rate: None)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (25, "first layer alone"),
        (73, "stride of 1"),
        (75, "do not add up"),
        (121, "second layer"),
        (525, "24 steps, not 25"),
        (1600, "overlap"),
        (15625, "do not multiply"),
        (7, "begin with 1"),
    ],
)
def test_samples_seen(capsys, wrong, hint):
    assert hint in said(capsys, "11.2", wrong)
    assert "not yet" in said(capsys, "11.2", None)
    solved("11.2", 1 + 24 * (1 + 4 + 16))


def reflected(x, shift):
    padded = torch.nn.functional.pad(x[None], (abs(shift), abs(shift)), mode="reflect")[0]
    return padded[abs(shift) - shift :][: len(x)]


def test_moved(capsys):
    solved("11.3", reflected)
    capsys.readouterr()
    assert "does not come back" in said(capsys, "11.3", torch.roll)
    assert "not silence" in said(capsys, "11.3", lambda x, shift: torch.cat([torch.zeros(shift), x[: len(x) - shift]]))
    assert "repeat" in said(capsys, "11.3", lambda x, shift: torch.cat([x[:shift], x[: len(x) - shift]]))
    assert "positive shift is later" in said(capsys, "11.3", lambda x, shift: reflected(x, -shift))
    assert "shape" in said(capsys, "11.3", lambda x, shift: x[shift:])
    assert "one of -3 is not" in said(capsys, "11.3", lambda x, shift: reflected(x, abs(shift)))
    assert "returns None" in said(capsys, "11.3", lambda x, shift: None)


def test_hums(capsys):
    solved("11.4", lambda rate, stride, layers: [rate / stride ** (k + 1) for k in range(layers)])
    capsys.readouterr()
    for wrong, hint in (
        (lambda rate, stride, layers: [rate / stride ** (layers - k) for k in range(layers)], "last layer comes first"),
        (lambda rate, stride, layers: [rate / stride**k for k in range(layers)], "already"),
        (lambda rate, stride, layers: [rate / stride * (k + 1) for k in range(layers)], "multiples"),
        (lambda rate, stride, layers: [rate / stride] * layers, "stretch"),
        (lambda rate, stride, layers: [rate / stride / (k + 1) for k in range(layers)], "multiply"),
        (lambda rate, stride, layers: [rate / stride], "three frequencies, not 1"),
        (lambda rate, stride, layers: [rate / 4 ** (k + 1) for k in range(layers)], "another rate"),
        (lambda rate, stride, layers: None, "returns None"),
    ):
        assert hint in said(capsys, "11.4", wrong)
