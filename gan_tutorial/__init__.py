"""GAN Tutorial: the code that the book explains."""

__version__ = "0.1.0"
