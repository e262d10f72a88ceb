"""What a right answer to an exercise of chapter 11, sound, must do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gan_tutorial.exercises import called


def exercise_1(heard: Callable[[float, float], float]) -> str | None:
    """The frequency heard of a tone that is sampled too seldom."""
    if abs((found := called(heard, 700, 4000)) - 700) > 1e-6:
        return f"700 Hz is below half of 4,000 Hz and stays 700 Hz, not {found:g}"
    if abs((found := called(heard, 3300, 4000)) - 700) > 1e-6:
        hints = {
            3300: "; that is above half of the rate",
            2000: "; a tone that is too high is not stopped at the limit, it is mirrored there",
            1300: "; it is mirrored at half of the rate, so count down from there",
            -700: "; a frequency is not negative: the sign turns the wave upside down, and the ear does not hear that",
        }
        return f"3,300 Hz at 4,000 Hz is heard as 700 Hz, not {found:g}{hints.get(round(found), '')}"
    for frequency, rate, right in ((5000, 8000, 3000), (5000, 4000, 1000), (7300, 4000, 700), (4000, 4000, 0)):
        if abs((found := called(heard, frequency, rate)) - right) > 1e-6:
            return f"{frequency:,} Hz at {rate:,} Hz is heard as {right:,} Hz, not {found:g}; take whole rates off"
    return None


def exercise_2(samples: int) -> str | None:
    """How many samples a feature of D's third layer depends on."""
    hints = {
        25: "that is the first layer alone; a feature of the second sees 25 features of the first",
        75: "fields do not add up like that: neighbours in the second layer are 4 samples apart, in the third 16",
        73: "that would be right for a stride of 1; neighbours in the second layer are 4 samples apart",
        15625: "fields overlap, so they do not multiply",
        1600: "fields overlap: 25 features that are 4 samples apart see 25 + 24 x 4 samples, not 25 x 4 x 4 x 4",
        525: "the first of the 25 places in each layer is counted already, so each layer adds 24 steps, not 25",
        121: "that is the second layer; the third adds 24 steps of 16 samples",
    }
    if samples == 505:
        return None
    return hints.get(samples, "begin with 1; each layer adds 24 steps, as long as the strides before it make them")


def exercise_3(moved: Callable[[Tensor, int], Tensor]) -> str | None:
    """A sound that is shifted, its missing end filled by reflection."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    found = called(moved, x, 1)
    if tuple(found.shape) != (4,):
        return f"the answer has shape {tuple(found.shape)}, not (4,): what leaves at one end is lost"
    said = tuple(int(v) for v in found.tolist())
    hints: dict[tuple[int, ...], str] = {
        (4, 1, 2, 3): "; what leaves at one end does not come back at the other",
        (0, 1, 2, 3): "; what is missing is not silence, it is the sound's reflection",
        (1, 1, 2, 3): "; the reflection does not repeat the last sample",
        (2, 3, 4, 3): "; that is earlier, and a positive shift is later",
    }
    if said != (2, 1, 2, 3):
        return f"(1, 2, 3, 4) becomes (2, 1, 2, 3) for a shift of 1, not {said}{hints.get(said, '')}"
    long = torch.arange(10.0)
    padded = torch.cat([long[1:4].flip(0), long, long[6:9].flip(0)])
    for shift in (-3, -1, 0, 2, 3):
        if not torch.equal(called(moved, long, shift), padded[3 - shift : 13 - shift]):
            return f"a shift of 1 is right, but one of {shift} is not"
    return None


def exercise_4(hums: Callable[[float, int, int], Sequence[float]]) -> str | None:
    """The lowest frequency that each layer's stride leaves in the sound, last layer first."""
    found = [float(v) for v in called(hums, 16_000, 4, 3)]
    if len(found) != 3:
        return f"three layers give three frequencies, not {len(found)}"
    hints: dict[tuple[float, ...], str] = {
        (250.0, 1000.0, 4000.0): "; the last layer comes first",
        (16000.0, 4000.0, 1000.0): "; the last layer's pattern repeats every 4 samples already",
        (4000.0, 8000.0, 12000.0): "; those are the multiples of the last layer's, and each layer has its own",
        (4000.0, 4000.0, 4000.0): "; the later layers stretch the pattern of those before them",
        (4000.0, 2000.0, 4000 / 3): "; strides multiply, they do not add",
    }
    if found != [4000, 1000, 250]:
        said = ", ".join(f"{v:g}" for v in found)
        return f"16,000 Hz, stride 4, 3 layers: 4000, 1000, 250 Hz, not {said}{hints.get(tuple(found), '')}"
    if [float(v) for v in called(hums, 8000, 2, 2)] != [4000, 2000]:
        return "with another rate or stride it is not right: divide the rate by the product of the strides"
    return None
