import json

import pytest

from gan_tutorial.errors import InputError
from gan_tutorial.experiments import results
from gan_tutorial.experiments.page import machine
from gan_tutorial.training import recipe


def test_a_result_is_kept_for_its_recipe_and_seeds(tmp_path):
    r, place = recipe("ring-mlp"), tmp_path / "deep" / "place"
    assert results.kept(place, r, [0, 1]) is None
    results.keep(place, r, (0, 1), {"modes": 8})
    assert results.kept(place, r, [0, 1]) == {"modes": 8}
    for other, seeds in ((r, [0]), (recipe("ring-mlp", steps=7), [0, 1])):
        with pytest.raises(InputError, match="one with results of this recipe and seeds; move it away") as error:
            results.kept(place, other, seeds)
        assert "\n" not in str(error.value)


def test_without_a_folder_nothing_is_kept():
    results.keep(None, recipe("ring-mlp"), [0], {"modes": 8})
    assert results.kept(None, recipe("ring-mlp"), [0]) is None
    assert results.machines(None) is None


def test_machines_are_named_once_each(tmp_path):
    assert results.machines(tmp_path) is None
    for k in range(3):
        results.keep(tmp_path / str(k), recipe("ring-mlp"), [k], {})
    assert results.machines(tmp_path) == machine()
    path = tmp_path / "1" / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"machine": "A card"}))
    assert results.machines(tmp_path) == "; ".join(sorted(["A card", machine()]))
