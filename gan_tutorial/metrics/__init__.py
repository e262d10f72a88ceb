"""How good are the samples? One plain function a metric, and what each says of a perfect generator."""

from gan_tutorial.metrics.classifiers import (
    Classifier,
    attribute_coverage,
    classifier,
    classifier_fid,
    fid_floor,
    for_data,
)
from gan_tutorial.metrics.divergence import Divergences, histogram_divergences
from gan_tutorial.metrics.floor import real_against_real
from gan_tutorial.metrics.frechet import Statistics, frechet_distance
from gan_tutorial.metrics.manifold import Manifold, PrecisionRecall, nearest, precision_recall
from gan_tutorial.metrics.modes import mode_coverage
from gan_tutorial.metrics.path_length import PathLength, path_length

__all__ = [
    "Classifier",
    "Divergences",
    "Manifold",
    "PathLength",
    "PrecisionRecall",
    "Statistics",
    "attribute_coverage",
    "classifier",
    "classifier_fid",
    "fid_floor",
    "for_data",
    "frechet_distance",
    "histogram_divergences",
    "mode_coverage",
    "nearest",
    "path_length",
    "precision_recall",
    "real_against_real",
]
