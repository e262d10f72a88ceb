"""How good are the samples? One plain function a metric, and what each says of a perfect generator."""

from gan_tutorial.metrics.audio import (
    DrumClassifier,
    drum_classifier,
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
from gan_tutorial.metrics.confidence import Interval, bootstrap
from gan_tutorial.metrics.divergence import Divergences, histogram_divergences
from gan_tutorial.metrics.diversity import feature_diversity, mean_ms_ssim, ms_ssim
from gan_tutorial.metrics.floor import real_against_real
from gan_tutorial.metrics.frechet import Statistics, frechet_distance
from gan_tutorial.metrics.inception import InceptionV3, clean_resize, inception_network, inception_statistics
from gan_tutorial.metrics.inception_score import inception_score
from gan_tutorial.metrics.kernel import KID, kid, polynomial_mmd
from gan_tutorial.metrics.manifold import (
    DensityCoverage,
    Manifold,
    PrecisionRecall,
    density_coverage,
    nearest,
    precision_recall,
)
from gan_tutorial.metrics.memory import Memorisation, authenticity, memorisation
from gan_tutorial.metrics.modes import class_counts, mode_counts, mode_coverage, mode_kl, stacked_classes
from gan_tutorial.metrics.path_length import PathLength, path_length
from gan_tutorial.metrics.text import bleu, distinct, nearest_texts, novelty, self_bleu, valid
from gan_tutorial.metrics.two_sample import TwoSample, two_sample_test

__all__ = [
    "KID",
    "Classifier",
    "DensityCoverage",
    "Divergences",
    "DrumClassifier",
    "InceptionV3",
    "Interval",
    "Manifold",
    "Memorisation",
    "PathLength",
    "PrecisionRecall",
    "Statistics",
    "TwoSample",
    "attribute_coverage",
    "authenticity",
    "bleu",
    "bootstrap",
    "class_counts",
    "classifier",
    "classifier_fid",
    "clean_resize",
    "density_coverage",
    "distinct",
    "drum_classifier",
    "feature_diversity",
    "fid_floor",
    "for_data",
    "frechet_distance",
    "histogram_divergences",
    "inception_network",
    "inception_score",
    "inception_statistics",
    "kid",
    "log_mel",
    "mean_ms_ssim",
    "memorisation",
    "mode_counts",
    "mode_coverage",
    "mode_kl",
    "ms_ssim",
    "nearest",
    "nearest_sounds",
    "nearest_texts",
    "novelty",
    "path_length",
    "polynomial_mmd",
    "precision_recall",
    "real_against_real",
    "self_bleu",
    "spectral_distance",
    "spectral_features",
    "stacked_classes",
    "two_sample_test",
    "valid",
]
