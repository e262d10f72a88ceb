"""The yardstick: DCGAN as the PyTorch example trains it, written plainly, and how our weights fit its nets.

Kept as in the example: contiguous memory, D on real and on fake images separately, each with its own backward pass, D's
weight gradients in G's update too (thrown away), binary cross-entropy on a sigmoid, Adam as `torch.optim` has it, and
five `.item()` reads a step for the line it prints. Left out, in its favour: the printing and the DataLoader.
"""

from __future__ import annotations

from itertools import cycle, pairwise

import torch
from torch import Tensor, nn

from gan_tutorial.models import dcgan


def generator(channels: int, size: int, z_dim: int, width: int) -> nn.Sequential:
    widths = _widths(size, width)
    layers: list[nn.Module] = [nn.ConvTranspose2d(z_dim, widths[0], 4, 1, 0, bias=False)]
    for before, after in pairwise([*widths, channels]):
        layers += [nn.BatchNorm2d(before), nn.ReLU(True), nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)]
    return nn.Sequential(*layers, nn.Tanh())


def discriminator(channels: int, size: int, width: int) -> nn.Sequential:
    widths = _widths(size, width)[::-1]
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True)]
    for before, after in pairwise(widths):
        layers += [
            nn.Conv2d(before, after, 4, 2, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 0, bias=False), nn.Sigmoid())


def _widths(size: int, width: int) -> list[int]:
    return [width * size // 8 // 2**i for i in range(size.bit_length() - 3)]


@torch.no_grad()
def copy_weights(ours: dict[str, nn.Module], plain_g: nn.Sequential, plain_d: nn.Sequential) -> None:
    """Give the plain nets the weights of ours; G's first layer, a Linear, becomes the equal transposed convolution."""
    g, d = ours["generator"], ours["discriminator"]
    assert isinstance(g, dcgan.Generator)
    state = list(g.state_dict().values())
    first = plain_g[0].weight
    assert isinstance(first, Tensor)
    z_dim, channels = first.shape[:2]
    state[0] = state[0].view(4, 4, channels, z_dim).permute(3, 2, 0, 1)
    for net, values in ((plain_g, state), (plain_d, list(d.state_dict().values()))):
        net.load_state_dict(dict(zip(net.state_dict(), (v.contiguous() for v in values), strict=True)))


class PlainDCGAN:
    """One step of the example's loop at a time, over `batches` (float32, contiguous, on the device) again and again."""

    def __init__(self, net_g: nn.Module, net_d: nn.Module, batches: list[Tensor], z_dim: int, rng: torch.Generator):
        self.net_g, self.net_d, self.z_dim, self.rng = net_g, net_d, z_dim, rng
        self.batches = cycle(batches)
        self.criterion = nn.BCELoss()
        self.optimizer_d = torch.optim.Adam(net_d.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.optimizer_g = torch.optim.Adam(net_g.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def step(self) -> tuple[float, float]:
        """(D's loss, G's loss)."""
        real = next(self.batches)
        n = len(real)
        self.net_d.zero_grad()
        label = torch.full((n,), 1.0, device=real.device)
        output = self.net_d(real).view(-1)
        loss_real = self.criterion(output, label)
        loss_real.backward()
        output.mean().item()

        noise = torch.randn(n, self.z_dim, 1, 1, generator=self.rng, device=real.device)
        fake = self.net_g(noise)
        label.fill_(0.0)
        output = self.net_d(fake.detach()).view(-1)
        loss_fake = self.criterion(output, label)
        loss_fake.backward()
        output.mean().item()
        loss_d = loss_real + loss_fake
        self.optimizer_d.step()

        self.net_g.zero_grad()
        label.fill_(1.0)
        output = self.net_d(fake).view(-1)
        loss_g = self.criterion(output, label)
        loss_g.backward()
        output.mean().item()
        self.optimizer_g.step()
        return loss_d.item(), loss_g.item()
