"""How good are the samples? One plain function a metric, and what each says of a perfect generator."""

from gan_tutorial.metrics.audio import (
    DrumClassifier,
    drum_classifier,
    inception_score,
    log_mel,
    nearest_sounds,
    spectral_distance,
    spectral_features,
)
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
from gan_tutorial.metrics.text import bleu, distinct, nearest_texts, novelty, self_bleu, valid

__all__ = [
    "Classifier",
    "Divergences",
    "DrumClassifier",
    "Manifold",
    "PathLength",
    "PrecisionRecall",
    "Statistics",
    "attribute_coverage",
    "bleu",
    "classifier",
    "classifier_fid",
    "distinct",
    "drum_classifier",
    "fid_floor",
    "for_data",
    "frechet_distance",
    "histogram_divergences",
    "inception_score",
    "log_mel",
    "mode_coverage",
    "nearest",
    "nearest_sounds",
    "nearest_texts",
    "novelty",
    "path_length",
    "precision_recall",
    "real_against_real",
    "self_bleu",
    "spectral_distance",
    "spectral_features",
    "valid",
]
