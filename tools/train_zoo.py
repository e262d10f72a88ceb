"""Train and pack a generator of gan_tutorial.zoo: `python tools/train_zoo.py [NAME ...]` (all by default).

A run that was interrupted goes on where its newest checkpoint stands. The last step's moving average of G's weights is
packed, whatever it scores: no checkpoint is chosen by its score. The card is written from what was measured.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import time
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from gan_tutorial import zoo
from gan_tutorial.metrics import classifier, classifier_fid, fid_floor
from gan_tutorial.training import Trainer, recipe
from gan_tutorial.training.checkpoint import write_atomically

SEED, SAMPLING_SEEDS, N = 0, range(5), 1000
CHANGES: dict[str, dict[str, Any]] = {"dcgan-mnist": {"steps": 6000}}

CARD = """# {name}

| | |
|-|-|
| What it makes | {shape} images of handwritten digits in [-1, 1] from z ~ N(0, 1), {z_dim} dimensions |
| Data | the training split of the packed MNIST, {images:,} images (5,000 digits, 500 a class, less those held out) |
| Recipe | `{recipe}` with {changes}; seed {seed}, batch {batch} |
| Packed | the moving average of G's weights (decay {ema}) after the last step, not chosen by its score; float16 |
| Weights | {parameters:,} parameters, {size:,} bytes, SHA-256 `{sha256}` |
| Trained | {minutes:.0f} minutes (other work ran beside it) on a CPU, one thread, float32, torch {torch} |
| Made by | `python tools/train_zoo.py {name}` |

## Measured

Classifier-FID (`gan_tutorial.metrics.classifier_fid`, features of the package's own MNIST classifier; lower is better)
of {n:,} samples against the statistics of the real training images, over {seeds} sampling seeds. It compares with no
published FID.

| Samples | Classifier-FID | Digits found by the classifier |
|-|-|-|
| this model, as packed (float16) | {packed} | {classes} of 10; shares from {rarest:.1%} to {commonest:.1%} |
| the same before packing (float32) | {exact} | |
| an untrained generator | {untrained} | |
| real images, held out | {floor:.2f} | 10 of 10 |

Some samples are no digit, or between two digits: look at a sheet of them. It knows one small data set of one kind of
handwriting, and is for teaching.

## Licence

The training images are MNIST (Yann LeCun, Corinna Cortes, Christopher Burges), CC BY-SA 3.0, see
`gan_tutorial/data/LICENSES.md`. The weights come under the same licence, CC BY-SA 3.0
(https://creativecommons.org/licenses/by-sa/3.0/).
"""


def train(name: str, out: Path) -> tuple[Trainer, float]:
    """The trainer at its last step, and the seconds of training, those of interrupted runs included."""
    trainer = Trainer(recipe(name, **CHANGES[name]), device="cpu", seed=SEED, out=out, resume=True)
    clock = out / "seconds.txt"
    before, start = float(clock.read_text()) if clock.exists() else 0.0, time.monotonic()
    for metrics in trainer.run():
        if metrics["step"] % trainer.recipe.checkpoint_every == 0:
            clock.write_text(str(before + time.monotonic() - start))
            print(f"{name}: step {metrics['step']} of {trainer.recipe.steps}", flush=True)
    return trainer, float(clock.read_text())


@torch.no_grad()
def samples(network: nn.Module, seed: int) -> Tensor:
    z = torch.randn(N, network.z_dim, generator=torch.Generator().manual_seed(seed))  # type: ignore[call-overload]
    return network(z)


def score(network: nn.Module, name: str) -> tuple[str, Tensor]:
    """Mean and spread of the classifier-FID over sampling seeds, and the share of each class in all of them."""
    judge = classifier(name)
    features = [judge.features(samples(network, seed)) for seed in SAMPLING_SEEDS]
    found = [classifier_fid(f, judge.real) for f in features]
    return f"{statistics.mean(found):.2f} ± {statistics.stdev(found):.2f}", judge.shares(torch.cat(features))


def pack(name: str, trainer: Trainer, seconds: float) -> None:
    average = trainer.averages["generator"].network
    tensors = {key: (t.half() if t.is_floating_point() else t).contiguous() for key, t in average.state_dict().items()}
    content = safetensors.torch.save(tensors, {"recipe": json.dumps(trainer.recipe.to_json())})
    # The card names the checksum that zoo.load looks at; both files are needed before it can be measured.
    facts: dict[str, Any] = {"packed": "", "classes": 0, "rarest": 0.0, "commonest": 0.0}
    facts["exact"], _ = score(average, trainer.recipe.data)
    untrained = Trainer(trainer.recipe, device="cpu", seed=SEED).networks["generator"].eval()
    facts["untrained"], _ = score(untrained, trainer.recipe.data)
    for measured in (False, True):
        if measured:
            facts["packed"], shares = score(zoo.load(name), trainer.recipe.data)
            facts |= {"classes": int((shares > 0).sum()), "rarest": float(shares.min())}
            facts |= {"commonest": float(shares.max())}
        text = CARD.format(
            name=name,
            shape=" x ".join(map(str, trainer.dataset.sample_shape)),
            z_dim=trainer.algorithm.z_dim,
            images=len(trainer.dataset),  # type: ignore[arg-type]
            recipe=trainer.recipe.name,
            changes=", ".join(f"{key}={value}" for key, value in CHANGES[name].items()),
            seed=SEED,
            batch=trainer.recipe.batch_size,
            ema=trainer.recipe.ema,
            parameters=sum(p.numel() for p in average.parameters()),
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            minutes=seconds / 60,
            torch=torch.__version__.split("+")[0],
            n=N,
            seeds=len(SAMPLING_SEEDS),
            floor=fid_floor(trainer.recipe.data, min(N, 1000)),
            **facts,
        )
        write_atomically(zoo.weights_file(name), content)
        write_atomically(zoo.weights_file(name).with_suffix(".md"), text.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(zoo.names())} (all unless given)")
    parser.add_argument("--out", type=Path, default=Path("runs/zoo"), help="folder of the runs (default: runs/zoo)")
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in zoo.names():
            parser.error(f"{name!r} is not one of: {', '.join(zoo.names())}")
    torch.set_num_threads(1)
    for name in arguments.names or zoo.names():
        trainer, seconds = train(name, arguments.out / name)
        pack(name, trainer, seconds)
        print(f"made {zoo.weights_file(name)}, {zoo.weights_file(name).stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
