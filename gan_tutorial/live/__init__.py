"""The live lab: a GAN that trains in the notebook while its settings are moved.

Three floors: `session` (trains; no widgets), `view` (a frame -> a picture), `panel` (widgets that send commands).
Beside it `explore`: a figure that follows its sliders, `explorer`: a generator whose latents are moved, and
`gallery`: the zoo's models with their cards. `text_lab` and `sound_lab` are smaller labs, for SeqGAN and WaveGAN.
"""

from gan_tutorial.errors import InputError

try:
    from gan_tutorial.live.explore import Explore
    from gan_tutorial.live.explorer import Explorer
    from gan_tutorial.live.gallery import Gallery
    from gan_tutorial.live.lab import Lab
    from gan_tutorial.live.sound_lab import SoundLab
    from gan_tutorial.live.text_lab import TextLab
except ModuleNotFoundError as error:
    if error.name != "ipywidgets":
        raise
    raise InputError("ipywidgets: the live lab needs it; install it with: pip install 'gan-tutorial[lab]'") from None

__all__ = ["Explore", "Explorer", "Gallery", "Lab", "SoundLab", "TextLab"]
