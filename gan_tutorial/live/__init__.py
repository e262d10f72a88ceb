"""The live lab: a GAN that trains in the notebook while its settings are moved.

Three floors: `session` (trains; no widgets), `view` (a frame -> a picture), `panel` (widgets that send commands).
Beside it `explore`: a figure that follows its sliders, `explorer`: a generator whose latents are moved, and
`gallery`: the zoo's models with their cards.
"""

from gan_tutorial.errors import InputError

try:
    from gan_tutorial.live.explore import Explore
    from gan_tutorial.live.explorer import Explorer
    from gan_tutorial.live.gallery import Gallery
    from gan_tutorial.live.lab import Lab
except ModuleNotFoundError as error:
    if error.name != "ipywidgets":
        raise
    raise InputError("ipywidgets: the live lab needs it; install it with: pip install 'gan-tutorial[lab]'") from None

__all__ = ["Explore", "Explorer", "Gallery", "Lab"]
