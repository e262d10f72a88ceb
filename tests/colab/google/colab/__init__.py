"""Stands in for Colab's own module, so that a setup cell believes to be there."""
