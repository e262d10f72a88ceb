"""Models of the zoo, and your own, on the Hugging Face Hub: `from_pretrained`, `save_pretrained`, `push_to_hub`.

A repository, or a folder, holds config.json, which says how to build the generator, and model.safetensors; for a model
of the zoo also its card and contact sheet. Nothing is unpickled. It needs huggingface_hub:
`pip install 'gan-tutorial[hub]'`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from gan_tutorial import zoo
from gan_tutorial.errors import CheckpointError, InputError, require
from gan_tutorial.training.checkpoint import write_atomically
from gan_tutorial.zoo import cards

try:
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
except ImportError:
    raise InputError(
        "hub: huggingface_hub is not installed; install it with: pip install 'gan-tutorial[hub]'"
    ) from None

CONFIG, WEIGHTS = "config.json", "model.safetensors"
TAGS = {
    "image": ["gan", "image-generation"],
    "translation": ["gan", "image-to-image"],
    "sound": ["gan", "audio-generation"],
    "text": ["gan", "text-generation"],
}
# What the network and its library raise; older versions of it use requests, newer ones httpx.
FAILURES: Any = (OSError, ValueError, *HfHubHTTPError.__bases__)


class Pretrained(nn.Module, huggingface_hub.PyTorchModelHubMixin, library_name="gan-tutorial", tags=["gan"]):
    """A generator that knows how it is built, so that the Hub can keep it. It is called as the generator is, and has
    its attributes (`z_dim`, `mapping`, ...).

    >>> mine = Pretrained(trainer.recipe.to_json(), list(trainer.dataset.sample_shape), [])
    >>> mine.generator.load_state_dict(trainer.averages["generator"].network.state_dict())
    >>> mine.push_to_hub("me/my-gan")

    Args:
        recipe: what :meth:`gan_tutorial.training.Recipe.to_json` gives.
        sample_shape: of an image (C, H, W), of a sound (1, L), of a text's tokens (L,).
        class_names: what the labels mean; empty for a generator without classes.
        more: what else :class:`gan_tutorial.zoo.Blueprint` has: of texts vocabulary and joiner, of sounds sample_rate.

    Raises InputError if that describes no generator.
    """

    def __init__(self, recipe: dict[str, Any], sample_shape: list[int], class_names: list[str], **more: Any) -> None:
        super().__init__()
        about = {"recipe": recipe, "sample_shape": sample_shape, "class_names": class_names, **more}
        self.blueprint = zoo.Blueprint.from_json(about)
        self.recipe, self.class_names = self.blueprint.recipe, self.blueprint.class_names
        self.generator = zoo.fresh(self.blueprint)
        self.entry: zoo.Entry | None = None  # of a model of the zoo
        self.eval()

    def forward(self, *args: Any, **options: Any) -> Any:
        return self.generator(*args, **options)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("generator"), name)

    def _save_pretrained(self, save_directory: Path) -> None:
        entry, tensors = self.entry, self.generator.state_dict()
        # The card speaks of these very weights; beside others it would be wrong.
        if entry is not None and all(t.equal(tensors[key]) for key, t in zoo.load(entry.name).state_dict().items()):
            content = zoo.weights_file(entry.name).read_bytes()
            tags, known = TAGS[entry.blueprint.kind], cards.licence(entry)
            of_hub = "other" if known.startswith("LicenseRef") else known.lower()
            front = f"---\nlicense: {of_hub}\nlibrary_name: gan-tutorial\ntags: {tags}\n---\n"
            write_atomically(save_directory / "README.md", (front + entry.card).encode())
            write_atomically(save_directory / entry.sheet.name, entry.sheet.read_bytes())
        else:
            content = zoo.packed(tensors, self.blueprint)
        write_atomically(save_directory / WEIGHTS, content)

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> Pretrained:
        names = ("revision", "cache_dir", "force_download", "local_files_only", "token")
        asked = {key: options.pop(key) for key in names}
        folder = Path(model_id)
        file = folder / WEIGHTS if folder.is_dir() else huggingface_hub.hf_hub_download(model_id, WEIGHTS, **asked)
        model = cls(**options)
        zoo.filled(model.generator, safetensors.torch.load_file(file))
        return model


def from_pretrained(source: str | Path, *, revision: str | None = None, token: str | None = None) -> Pretrained:
    """The generator in a repository of the Hub ("user/name") or in a folder that `save_pretrained` wrote: on the CPU,
    in eval mode, float32.

    Args:
        revision: branch, tag or commit; default: the newest.
        token: of the Hub, for a private repository; default: the one that you are logged in with.

    Raises InputError if it can't be reached, and :class:`~gan_tutorial.errors.CheckpointError` if what is there is
    damaged, or no generator of this package.
    """
    folder, asked = Path(source), {"revision": revision, "token": token}
    if not folder.is_dir():
        with _reported(f"{str(source)!r} can't be read"):
            for name in (WEIGHTS, CONFIG):  # they come to lie side by side in the Hub's cache
                folder = Path(huggingface_hub.hf_hub_download(str(source), name, **asked)).parent  # type: ignore[call-overload]
    for name in (CONFIG, WEIGHTS):
        require((folder / name).is_file(), "source", str(source), f"a folder that holds {name}")
    try:
        return Pretrained.from_pretrained(folder)
    except (ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise CheckpointError(f"hub: {str(source)!r} holds no generator of this package ({_line(error)})") from error


def pretrained(name: str) -> Pretrained:
    """The model `name` of the zoo, ready for the Hub. Raises as :func:`gan_tutorial.zoo.load`."""
    entry = zoo.entry(name)
    model = Pretrained(**entry.blueprint.to_json())
    zoo.filled(model.generator, zoo.load(name).state_dict())
    model.entry = entry
    return model


def save_pretrained(name: str, folder: str | Path) -> None:
    """Write the model `name` of the zoo into `folder` as a repository of the Hub would hold it. Files of the same names
    are replaced. Raises InputError if the disk refuses."""
    try:
        pretrained(name).save_pretrained(folder)
    except OSError as error:
        raise InputError(f"folder: {str(folder)!r} can't be written ({error.strerror or error})") from error


def push_to_hub(name: str, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Put the model `name` of the zoo, with its card, into the repository `repo_id` ("user/name") of the Hub, which is
    made if need be; returns the address of the commit.

    Raises InputError without a network, without a login (`hf auth login`, HF_TOKEN or `token`), and for a name that the
    Hub refuses.
    """
    model = pretrained(name)
    if token is None and huggingface_hub.get_token() is None:
        raise InputError("hub: you are not logged in; run 'hf auth login', or set HF_TOKEN")
    with _reported(f"{name!r} can't be pushed to {repo_id!r}"):
        return str(model.push_to_hub(repo_id, private=private, token=token))


@contextmanager
def _reported(what: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except RepositoryNotFoundError as error:
        raise InputError(f"hub: {what}: there is no such repository, or it is private") from error
    except FAILURES as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        reason = f"the Hub says {status}" if status else _line(error)
        hint = "; log in with 'hf auth login'" if status in (401, 403) else ""
        raise InputError(f"hub: {what}: {reason}{hint}") from error


def _line(error: BaseException) -> str:
    """The first line of what an error says, or its kind."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
