"""Exercises of chapter 5: what the training loop does (5.1 to 5.3), and the same in TensorFlow (5.4 to 5.6)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gan_tutorial.exercises import called

LR, GRADIENT, BETA2 = 1e-4, 1e-7, 0.999


def exercise_1(gradients_in_g: Callable[[bool], int]) -> str | None:
    """How many of G's 6 parameter tensors D's loss leaves a gradient in, with `detach` and without."""
    with_detach, without = called(gradients_in_g, True), called(gradients_in_g, False)
    if (with_detach, without) == (6, 0):
        return "the two cases are swapped: detach=True must cut the graph between G and D"
    if with_detach != 0:
        return f"with detach no gradient reaches G, and you count {with_detach}: did D get fake.detach()?"
    if without == 0:
        return "without detach G does get gradients: did you call backward, and leave out detach?"
    if without != 6:
        return f"without detach all 6 tensors of G have a gradient, a weight and a bias in each layer, not {without}"
    return None


def exercise_2(losses: tuple[float, float]) -> str | None:
    """(D's loss, G's loss) where every logit is 0: 2 log 2 and log 2."""
    d_loss, g_loss = (float(loss) for loss in losses)
    if _near(d_loss, math.log(2)) and _near(g_loss, 2 * math.log(2)):
        return "the two are swapped: D's loss comes first"
    if _near(d_loss, math.log(2)):
        return "D's loss has two terms, one for the real samples and one for the fakes: you counted one"
    if _near(d_loss, 1.0) or _near(g_loss, 0.5):
        return "that is a sum of probabilities; a loss is minus the logarithm of a probability"
    if d_loss < 0 or g_loss < 0:
        return "the sign: the logarithm of 1/2 is negative, and a loss is minus that logarithm"
    if not _near(d_loss, 2 * math.log(2)):
        return "D's loss is that of two tosses of a coin: what is -log(1/2), twice?"
    if not _near(g_loss, math.log(2)):
        return "G's loss is that of one toss of a coin: what is -log(1/2)?"
    return None


def exercise_3(prepare: Callable[[Tensor], Tensor]) -> str | None:
    """uint8 pixels (N, H, W) -> float32 images (N, 1, H, W) in [-1, 1]."""
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1).expand(3, 4, 6).clone()
    x = called(prepare, pixels)
    if not isinstance(x, Tensor):
        return f"the answer should be a tensor, not a {type(x).__name__}"
    if tuple(x.shape) == (3, 4, 6):
        return "the axis of the colour channels is missing: the shape should be (N, 1, H, W)"
    if tuple(x.shape) != (3, 1, 4, 6):
        return f"3 pictures of 4 rows and 6 columns should become (3, 1, 4, 6), not {tuple(x.shape)}"
    if x.dtype != torch.float32:
        return f"the networks expect float32, and this is {str(x.dtype).removeprefix('torch.')}"
    black, grey, white = (float(v) for v in x[:, 0, 0, 0])
    if _near(black, 0) and _near(white, 1):
        return "that is a scale from 0 to 1; a tanh ends at -1 and 1"
    if _near(black, 1) and _near(white, -1):
        return "the pictures are negatives: 0 should become -1, and 255 should become 1"
    if not (_near(black, -1) and _near(grey, -0.6) and _near(white, 1)):
        return f"0, 51, 255 should become -1, -0.6, 1, not {black:.2f}, {grey:.2f}, {white:.2f}"
    return None


def exercise_4(cross_entropy: Callable[[float, float], float]) -> str | None:
    """cross_entropy(label, logit) from the logit, without overflow: softplus(logit) - label * logit."""
    for label, logit in ((1.0, 0.0), (1.0, 2.0), (0.0, 2.0), (1.0, -3.0), (0.5, 1.0)):
        with np.errstate(all="ignore"):
            value = float(called(cross_entropy, label, logit))
        right = _cross_entropy(label, logit)
        if _near(value, right):
            continue
        if _near(value, -right):
            return "the sign: a cross-entropy is minus a logarithm of a probability, so it is never negative"
        if _near(value, _cross_entropy(1 - label, logit)):
            return "the labels are swapped: label 1 should pay -log(sigmoid(logit))"
        return f"label {label:g}, logit {logit:g}: expected {right:.4f}, and yours is {value:.4f}"
    for label, logit in ((0.0, 1000.0), (1.0, -1000.0), (1.0, 1000.0)):
        try:
            with np.errstate(all="ignore"):
                value = float(called(cross_entropy, label, logit))
        except (OverflowError, ValueError):
            value = math.nan
        if not _near(value, _cross_entropy(label, logit)):
            return (
                f"right for small logits, but not for label {label:g}, logit {logit:g}: never compute exp of "
                "something large; np.logaddexp(0, logit) is log(1 + exp(logit))"
            )
    return None


def exercise_5(to_linear: Callable[[np.ndarray, np.ndarray], Any]) -> str | None:
    """A Dense layer's kernel (in, out) and bias (out,) -> a Linear layer's weight (out, in) and bias (out,)."""
    kernel, bias = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([7.0, 8.0, 9.0], np.float32)
    answer = called(to_linear, kernel, bias)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        return "return two arrays: the weight and the bias"
    weight, its_bias = (np.asarray(a) for a in answer)
    if weight.shape == (3,):
        return "the two are swapped: the weight comes first, then the bias"
    if weight.shape == (2, 3):
        return "the weight has the shape of the kernel, (in, out); PyTorch keeps (out, in): transpose it"
    if weight.shape != (3, 2):
        return f"a kernel of shape (2, 3) should become a weight of shape (3, 2), not {weight.shape}"
    if not np.array_equal(weight, kernel.T):
        return "the shape is right but the numbers are not in their places: reshape is not transpose"
    if not np.array_equal(its_bias, bias):
        return "the bias has one axis and stays as it is"
    return None


def exercise_6(moves: tuple[float, float]) -> str | None:
    """Adam's first move for a gradient of 1e-7, learning rate 1e-4: (Keras, epsilon 1e-7; PyTorch, epsilon 1e-8)."""
    keras, torch_ = (abs(float(m)) for m in moves)
    right_keras = LR * GRADIENT / (GRADIENT + 1e-7 / math.sqrt(1 - BETA2))
    right_torch = LR * GRADIENT / (GRADIENT + 1e-8)
    if _close(keras, right_torch) and _close(torch_, right_keras):
        return "the two are swapped: Keras comes first"
    if _close(keras, LR / 2):
        return "that is PyTorch's form with Keras's epsilon: Keras adds epsilon to the uncorrected root, sqrt(v)"
    if _close(keras, LR) or _close(torch_, LR):
        return "that is without epsilon, and here it is not small beside the gradient"
    if not _close(torch_, right_torch):
        return "PyTorch: after the first step both corrected moments are g and g**2; put them into its formula"
    if not _close(keras, right_keras):
        return "Keras: after the first step m = 0.1 g and v = 0.001 g**2; put them into its formula"
    return None


def _cross_entropy(label: float, logit: float) -> float:
    return float(np.logaddexp(0.0, logit) - label * logit)


def _near(a: float, b: float) -> bool:
    return abs(a - b) < 0.01


def _close(a: float, b: float) -> bool:
    return abs(a - b) < 0.02 * b
