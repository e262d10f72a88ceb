"""Has every kernel of this environment begin as Colab's do: with `google.colab` imported."""

import google.colab  # noqa: F401
