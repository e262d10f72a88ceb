"""Train the small classifiers of gan_tutorial.metrics: `python tools/make_classifiers.py [NAME ...]` (all by default).

Each is trained on its data set's training images, on one CPU thread from a fixed seed, in seconds, and packed
with the statistics of those images' features. What it is and how well it does stands in the file's metadata. A second
run on the same machine writes the same bytes.
"""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F

from gan_tutorial import data
from gan_tutorial.metrics.classifiers import FEATURES, INPUTS, Network, classifier, names, weights_file
from gan_tutorial.metrics.frechet import Statistics
from gan_tutorial.training.checkpoint import write_atomically

SEED, BATCH, LR = 0, 128, 2e-3
EPOCHS = {"digits8": 60, "mnist": 40, "avatars": 15}
SHIFT = {"digits8": 1, "mnist": 2, "avatars": 0}  # random shifts, in pixels: there are few digits
# What a face wears is all that is asked in the end, but features that must tell everything see more of a picture.
ATTRIBUTES = ("hair", "hair_color", "glasses", "hat_color", "skin_color", "eyes", "mouth", "clothing", "clothing_color")


def load(name: str, split: str) -> Any:
    options = {"size": 32} if name == "mnist" else {}
    return data.load(name, split=split, **options)


def targets(dataset: Any) -> tuple[Tensor, list[int]]:
    """Label columns (N, A), the classifier's own first, and how many values each has."""
    columns, sizes = [dataset.labels], [dataset.num_classes]
    for key in ATTRIBUTES if dataset.attributes else ():
        columns.append(dataset.attributes[key])
        sizes.append(len(dataset.attribute_names[key]))
    return torch.stack(columns, 1), sizes


def shifted(x: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Each image moved by up to `most` pixels each way; black comes in."""
    if not most:
        return x
    n, _, side, _ = x.shape
    moves = torch.randint(0, 2 * most + 1, (2, n, 1), generator=generator) + torch.arange(side)
    padded = F.pad(x, [most] * 4, value=-1.0)
    sample = torch.arange(n)[:, None, None]
    return padded.permute(0, 2, 3, 1)[sample, moves[0][:, :, None], moves[1][:, None, :]].permute(0, 3, 1, 2)


def train(name: str) -> Network:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    dataset = load(name, "train")
    labels, sizes = targets(dataset)
    network = Network(*INPUTS[name][0], sum(sizes))
    steps = EPOCHS[name] * (len(dataset) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)
    for _ in range(EPOCHS[name]):
        for rows in torch.randperm(len(dataset), generator=generator).split(BATCH)[: len(dataset) // BATCH]:
            logits = network(shifted(dataset[rows].x, SHIFT[name], generator)).split(sizes, 1)
            losses = [F.cross_entropy(part, label) for part, label in zip(logits, labels[rows].T, strict=True)]
            optimizer.zero_grad()
            torch.stack(losses).sum().backward()
            optimizer.step()
            schedule.step()
    return keep_first(network, sizes[0])


@torch.no_grad()
def keep_first(network: Network, classes: int) -> Network:
    """Without the logits of the other attributes."""
    network.head.weight.data, network.head.bias.data = network.head.weight[:classes], network.head.bias[:classes]
    return network


@torch.no_grad()
def pack(name: str, network: Network) -> None:
    dataset, held_out = load(name, "train"), load(name, "test")
    # The features' scale is free: ReLU lets any factor through, and the head takes it back.
    factor = math.sqrt(Statistics.of(network.features(dataset[:].x)).covariance.trace().item() / FEATURES)
    network.embedding.weight.div_(factor)
    network.embedding.bias.div_(factor)
    network.head.weight.mul_(factor)
    for parameter in network.parameters():
        parameter.copy_(parameter.half())  # what is measured below is what is packed
    real = Statistics.of(network.features(dataset[:].x))
    right = [(network(d[:].x).argmax(1) == d.labels).float().mean().item() for d in (dataset, held_out)]
    about = {
        "name": name,
        "class_names": dataset.label_names,
        "accuracy": round(right[1], 4),
        "training_accuracy": round(right[0], 4),
        "n": real.n,
        "made_by": "tools/make_classifiers.py",
        "epochs": EPOCHS[name],
        "seed": SEED,
    }
    tensors = {key: tensor.half().contiguous() for key, tensor in network.state_dict().items()}
    tensors |= {"real.mean": real.mean.float(), "real.scatter": real.scatter.float()}
    # One entry, because several would be written in any order.
    write_atomically(weights_file(name), safetensors.torch.save(tensors, {"about": json.dumps(about)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(names())} (all unless given)")
    chosen = parser.parse_args().names or list(names())
    for name in chosen:
        if name not in names():
            parser.error(f"{name!r} is not one of: {', '.join(names())}")
    torch.set_num_threads(1)
    for name in chosen:
        pack(name, train(name))
        print(f"made {classifier(name)}, {weights_file(name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
