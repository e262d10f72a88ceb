"""Train the small classifiers of gan_tutorial.metrics: `python tools/make_classifiers.py [NAME ...]` (all by default).

Each is trained on its data set's training images, on one CPU thread from a fixed seed, in seconds or a few minutes, and
packed with the statistics of those images' features. What it is and how well it does stands in the file's metadata. A
second run on the same machine writes the same bytes.

`--attributes` trains only what reads the attributes of avatars, and leaves the rest of the file as it is: new features
would change every distance that was ever measured with them.
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

from gan_tutorial.metrics.classifiers import (
    FEATURES,
    INPUTS,
    READER,
    WIDTH,
    Network,
    Reader,
    classifier,
    images,
    names,
    weights_file,
)
from gan_tutorial.metrics.frechet import Statistics
from gan_tutorial.training.checkpoint import write_atomically

SEED, BATCH, LR = 0, 128, 2e-3
EPOCHS = {"digits8": 60, "mnist": 40, "printed": 15, "avatars": 15, "emoji": 40}
SHIFT = {"digits8": 1, "mnist": 2, "printed": 2, "avatars": 0, "emoji": 4}  # random shifts, in pixels
PAPER = {"digits8": -1.0, "mnist": -1.0, "printed": -1.0, "avatars": -1.0, "emoji": 1.0}  # outside: black or white
# What a face wears is all that is asked in the end, but features that must tell everything see more of a picture.
ASIDE = {
    "avatars": (
        "hair",
        "hair_color",
        "glasses",
        "hat_color",
        "skin_color",
        "eyes",
        "mouth",
        "clothing",
        "clothing_color",
    ),
    "emoji": ("subgroup",),
}
# Emoji of one group have little in common: features of these also tell the mean colours of 8 x 8 fields, weighed so.
FIELDS, COLOURS = 8, {"emoji": 5.0}
READ = ("avatars",)  # whose attributes are read off the pixels
READER_EPOCHS, READER_LR, READER_DECAY, READER_NOISE = 30, 5e-3, 0.02, 0.01
PRESSED = {"accessories": 4.0, "accessories_color": 4.0}  # few wear any, so that they would be learned last


def load(name: str, split: str) -> Any:
    options = {"size": 32} if name in ("mnist", "emoji") else {}
    return images(name, split, **options)


def targets(dataset: Any) -> tuple[Tensor, list[int]]:
    """Label columns (N, A), the classifier's own first, and how many values each has."""
    columns, sizes = [dataset.labels], [dataset.num_classes]
    for key in ASIDE.get(dataset.name, ()):
        columns.append(dataset.attributes[key])
        sizes.append(len(dataset.attribute_names[key]))
    return torch.stack(columns, 1), sizes


def shifted(x: Tensor, most: int, paper: float, generator: torch.Generator) -> Tensor:
    """Each image moved by up to `most` pixels each way; `paper` comes in."""
    if not most:
        return x
    n, _, side, _ = x.shape
    moves = torch.randint(0, 2 * most + 1, (2, n, 1), generator=generator) + torch.arange(side)
    padded = F.pad(x, [most] * 4, value=paper)
    sample = torch.arange(n)[:, None, None]
    return padded.permute(0, 2, 3, 1)[sample, moves[0][:, :, None], moves[1][:, None, :]].permute(0, 3, 1, 2)


def train(name: str) -> Network:
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    dataset = load(name, "train")
    labels, sizes = targets(dataset)
    told = dataset.sample_shape[0] * FIELDS**2 if name in COLOURS else 0
    network = Network(*INPUTS[name][0], sum(sizes) + told, WIDTH[name])
    steps = EPOCHS[name] * (len(dataset) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: (1 + math.cos(math.pi * step / steps)) / 2)
    for _ in range(EPOCHS[name]):
        for rows in torch.randperm(len(dataset), generator=generator).split(BATCH)[: len(dataset) // BATCH]:
            seen = shifted(dataset[rows].x, SHIFT[name], PAPER[name], generator)
            *logits, colours = network(seen).split([*sizes, told], 1)
            losses = [F.cross_entropy(part, label) for part, label in zip(logits, labels[rows].T, strict=True)]
            if told:
                losses.append(COLOURS[name] * F.mse_loss(colours, F.adaptive_avg_pool2d(seen, FIELDS).flatten(1)))
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


def train_reader(name: str) -> Reader:
    """Of every attribute, off the pixels. A little noise, for the images that a generator makes are not as exact."""
    torch.manual_seed(SEED)
    dataset = load(name, "train")
    labels = torch.stack(list(dataset.attributes.values()), 1)
    sizes = [len(values) for values in dataset.attribute_names.values()]
    weights = torch.tensor([PRESSED.get(key, 1.0) for key in dataset.attributes])
    reader, x = Reader(sizes), dataset[:].x
    batches = len(dataset) // BATCH
    optimizer = torch.optim.AdamW(reader.parameters(), lr=READER_LR, weight_decay=READER_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, READER_LR, total_steps=READER_EPOCHS * batches)
    for _ in range(READER_EPOCHS):
        for rows in torch.randperm(len(dataset)).split(BATCH)[:batches]:
            seen = x[rows] + READER_NOISE * torch.randn(BATCH, *x.shape[1:])
            logits = reader(seen).split(sizes, 1)
            losses = [F.cross_entropy(part, label) for part, label in zip(logits, labels[rows].T, strict=True)]
            optimizer.zero_grad()
            torch.stack(losses).dot(weights).backward()
            optimizer.step()
            schedule.step()
    return reader


@torch.no_grad()
def pack_reader(name: str, reader: Reader) -> None:
    """Into the file that is there, in the place of the reader that it may have."""
    held_out = load(name, "test")
    for parameter in reader.parameters():
        parameter.copy_(parameter.half())
    logits = reader(held_out[:].x).split([len(values) for values in held_out.attribute_names.values()], 1)
    right = {
        key: (answer.argmax(1) == column).double().mean().item()
        for answer, (key, column) in zip(logits, held_out.attributes.items(), strict=True)
    }
    with safetensors.safe_open(weights_file(name), "pt") as file:
        about = json.loads(file.metadata()["about"])
        tensors = {key: file.get_tensor(key) for key in file.keys() if not key.startswith(READER)}  # noqa: SIM118
    about |= {
        "attribute_names": held_out.attribute_names,
        "attribute_accuracy": {key: round(share, 4) for key, share in right.items()},
    }
    tensors |= {READER + key: tensor.half().contiguous() for key, tensor in reader.state_dict().items()}
    write_atomically(weights_file(name), safetensors.torch.save(tensors, {"about": json.dumps(about)}))


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
    parser.add_argument("--attributes", action="store_true", help="train only what reads the attributes")
    given = parser.parse_args()
    chosen = given.names or list(READ if given.attributes else names())
    for name in chosen:
        if name not in (known := READ if given.attributes else names()):
            parser.error(f"{name!r} is not one of: {', '.join(known)}")
    torch.set_num_threads(1)
    for name in chosen:
        if not given.attributes:
            pack(name, train(name))
        if name in READ:
            pack_reader(name, train_reader(name))
        classifier.cache_clear()
        print(f"made {classifier(name)}, {weights_file(name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
