"""Everything around an update rule: recipes, the trainer, moving averages, checkpoints."""

from gan_tutorial.training.recipes import Recipe, recipe, recipes
from gan_tutorial.training.trainer import Trainer, resolve_device

__all__ = ["Recipe", "Trainer", "recipe", "recipes", "resolve_device"]
