"""Train the classifier of drums in gan_tutorial.metrics: `python tools/make_sound_judge.py`, about a minute.

It learns from clips of another seed than those that `data.load("drums")` gives, on one CPU thread from a fixed seed.
How well it does on the held-out clips stands in the file's metadata. A second run on the same machine writes the same
bytes.
"""

from __future__ import annotations

import argparse
import json
import math

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F

from gan_tutorial.data.dataset import Dataset
from gan_tutorial.data.sound import drums
from gan_tutorial.metrics.audio import TOP, DrumClassifier, Network, judge_file, log_mel
from gan_tutorial.training.checkpoint import write_atomically

CLIPS = ((16_384, 16_000), (4096, 8000), (1024, 4000))  # (length, rate)
TRAINING_SEED, PER_CLASS, COPIES = 1_000_003, 300, 2
SEED, EPOCHS, BATCH, LR = 0, 12, 128, 2e-3
LEVEL, LATER, NOISE = (-12.0, 3.0), 0.02, (-70.0, -25.0)  # dB, seconds, dB: what a generator's clips may be like


def varied(dataset: Dataset, rate: int, generator: torch.Generator) -> Tensor:
    """The clips at other levels, up to 20 ms later, and over noise."""
    x = dataset.data.clone()
    n, _, length = x.shape

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, generator=generator)

    delays = (draw(0, LATER) * rate).long().flatten().tolist()
    for row, delay in enumerate(delays):
        x[row] = F.pad(x[row], [delay, 0])[:, :length]
    x *= 10 ** (draw(*LEVEL) / 20)
    return x + 10 ** (draw(*NOISE) / 20) * torch.randn(x.shape, generator=generator)


def train() -> Network:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    sets = []
    for length, rate in CLIPS:
        dataset = drums("train", length=length, rate=rate, per_class=PER_CLASS, seed=TRAINING_SEED)
        assert dataset.labels is not None
        spectra = [log_mel(varied(dataset, rate, generator), rate, top=TOP) for _ in range(COPIES)]
        sets.append((torch.cat([*spectra, log_mel(dataset.data, rate, top=TOP)]), dataset.labels.repeat(COPIES + 1)))
    network = Network(6)
    steps = EPOCHS * sum(len(labels) // BATCH for _, labels in sets)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)
    for _ in range(EPOCHS):
        batches = [
            (k, rows)
            for k, (_, labels) in enumerate(sets)
            for rows in torch.randperm(len(labels), generator=generator).split(BATCH)[: len(labels) // BATCH]
        ]
        for place in torch.randperm(len(batches), generator=generator).tolist():
            k, rows = batches[place]
            spectra, labels = sets[k]
            loss = F.cross_entropy(network.classify(network.features(spectra[rows])), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return network


@torch.no_grad()
def pack(network: Network) -> None:
    for parameter in network.parameters():
        parameter.copy_(parameter.half())  # what is measured below is what is packed
    accuracy: dict[str, float] = {}
    names: tuple[str, ...] = ()
    for length, rate in CLIPS:
        held_out = drums("test", length=length, rate=rate)
        assert held_out.labels is not None
        judge = DrumClassifier(network, {"class_names": held_out.label_names, "accuracy": {}})
        right = (judge.predict(held_out.data, rate) == held_out.labels).double().mean().item()
        accuracy[f"{length}@{rate}"], names = round(right, 4), held_out.label_names
    about = {
        "name": "drums",
        "class_names": names,
        "accuracy": accuracy,
        "made_by": "tools/make_sound_judge.py",
        "training_seed": TRAINING_SEED,
        "epochs": EPOCHS,
        "seed": SEED,
    }
    tensors = {key: tensor.half().contiguous() for key, tensor in network.state_dict().items()}
    write_atomically(judge_file(), safetensors.torch.save(tensors, {"about": json.dumps(about)}))
    print(f"made {judge_file().name}, {judge_file().stat().st_size:,} bytes: {accuracy}")


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    pack(train())


if __name__ == "__main__":
    main()
