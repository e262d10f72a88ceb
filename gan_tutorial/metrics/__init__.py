"""How good are the samples? One plain function a metric."""

from gan_tutorial.metrics.modes import mode_coverage

__all__ = ["mode_coverage"]
