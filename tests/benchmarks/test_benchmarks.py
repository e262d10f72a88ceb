import json

import pytest
import torch
from torch import nn

from benchmarks import __main__ as every
from benchmarks import accelerator, dcgan, mimicry, peers, report, systems
from benchmarks.__main__ import main
from benchmarks.options import Options
from benchmarks.timing import Contender, CouldNotRunError, Measured, Ratio, Worker, compare, take_turns
from gan_tutorial.training import Trainer, recipe


class Clock:
    """Fake contenders that take the time they say, and write down who worked when."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def contender(self, name, seconds):
        def turn(steps):
            self.calls.append((name, steps))
            return steps * seconds

        return turn


def test_contenders_take_turns_in_rotating_order():
    clock = Clock()
    contenders = {name: clock.contender(name, 0.1) for name in "abc"}
    take_turns(contenders, rounds=4, round_seconds=0.5)
    rounds = clock.calls[6:]  # after two calls each to find the number of steps
    assert "".join(name for name, _ in rounds) == "abc" + "bca" + "cab" + "abc"
    assert {steps for _, steps in rounds} == {5}


def test_slow_contenders_make_fewer_steps_a_round_and_ratios_are_right():
    clock = Clock()
    turns = {"ours": clock.contender("ours", 0.01), "theirs": clock.contender("theirs", 0.025)}
    seconds = take_turns(turns, rounds=5, round_seconds=0.1)
    assert dict(clock.calls[-2:]) == {"ours": 10, "theirs": 4}
    ratio = Ratio.of(seconds["theirs"], seconds["ours"])
    assert (ratio.low, ratio.value, ratio.high) == pytest.approx((2.5, 2.5, 2.5))


def test_steps_that_differ_are_timed_in_whole_cycles():
    clock = Clock()
    turns = {"lazy": clock.contender("lazy", 0.01), "plain": clock.contender("plain", 0.01)}
    take_turns(turns, rounds=1, round_seconds=0.25, cycles={"lazy": 16})
    assert clock.calls == [("lazy", 16)] * 2 + [("plain", 2)] * 2 + [("lazy", 32), ("plain", 25)]


def test_a_long_round_is_split_into_visits():
    clock = Clock()
    turns = {"lazy": clock.contender("lazy", 0.5), "rare": clock.contender("rare", 2.0)}
    seconds = take_turns(turns, rounds=1, round_seconds=1.0, cycles={"lazy": 6}, visits=3)
    assert clock.calls[4:] == [("lazy", 2), ("lazy", 2), ("lazy", 2), ("rare", 1)]
    assert seconds == {"lazy": [0.5], "rare": [2.0]}


def test_a_disturbed_round_moves_neither_median_nor_ratio():
    ours, theirs = [1.0, 1.0, 9.0, 1.0, 1.0], [2.0, 2.0, 18.0, 2.0, 2.0]
    assert Measured.of(ours).median == 1.0
    assert Ratio.of(theirs, ours).value == 2.0


@pytest.mark.parametrize("size", [16, 32])
def test_the_plain_loop_starts_as_ours_does(size):
    first, *later = dcgan.first_losses(size=size, width=8, batch=8)
    for net in "dg":
        assert first[f"{net}_ours"] == pytest.approx(first[f"{net}_plain"], rel=1e-4)
        for row in later:  # Adam's first steps turn rounding into whole learning rates
            assert row[f"{net}_ours"] == pytest.approx(row[f"{net}_plain"], rel=2e-2)


def test_plain_and_our_nets_are_the_same_functions():
    trainer, plain = dcgan.pair(size=32, width=8, batch=4)
    z = torch.randn(4, dcgan.Z_DIM)
    fake = trainer.networks["generator"](z)
    torch.testing.assert_close(plain.net_g(z.view(4, -1, 1, 1)), fake)
    torch.testing.assert_close(plain.net_d(fake).flatten(), trainer.networks["discriminator"](fake).sigmoid())


def test_flops_of_a_step_equal_a_count_by_hand():
    batch, z, hidden = 8, 2, 3
    small = recipe("ring-mlp", batch_size=batch, **{f"model__{n}_depth": 1 for n in "gd"}, model__z_dim=z)
    small = small.with_changes({"model.g_width": hidden, "model.d_width": hidden})
    g_first, g_last, d_first, d_last = (
        2 * batch * a * b for a, b in ((z, hidden), (hidden, 2), (2, hidden), (hidden, 1))
    )
    forward_g, forward_d = g_first + g_last, d_first + d_last
    # D on real and fake: forward; gradients of all weights, and of the hidden layer. Nobody asks for the input's.
    update_d = 2 * (forward_d + forward_d + d_last)
    # G through D: D's gradients of its inputs only, G's of its weights and its hidden layer.
    update_g = forward_d + forward_d + (g_first + g_last) + g_last
    assert accelerator.flops_a_step(Trainer(small, device="cpu")) == forward_g + update_d + update_g


def test_peaks_are_found_by_the_device_s_name():
    assert accelerator.peak("NVIDIA H100 80GB HBM3") == 989e12
    assert accelerator.peak("NVIDIA H100 PCIe") == 756e12
    assert accelerator.peak("NVIDIA L4") == 121e12
    assert accelerator.peak("NVIDIA L40S") is None


def test_a_contender_that_fails_is_reported_with_its_reason():
    bad = Contender("bad", "benchmarks.dcgan:ours", {"size": 15, "width": 4, "batch": 4})
    result = compare([bad], base=None, rounds=1, round_seconds=0.01, threads=1)
    assert result["seconds"] == {}
    assert "sample_shape" in result["could_not_run"]["bad"]
    assert any("bad could not run: InputError" in note for note in report.notes({**result, "notes": []}))


def test_a_contender_tells_its_memory_and_parameters():
    sizes = {"system": "dcgan", "size": 16, "batch": 4, "capacity": 4, "device": "cpu"}
    contender = Contender("dcgan", "benchmarks.systems:ours", sizes)
    result = compare([contender], base=None, rounds=2, round_seconds=0.01, threads=1)
    networks = systems.ours(**sizes)
    assert result["parameters"]["dcgan"] == networks.parameters
    assert 0 < result["added_memory"]["dcgan"] < result["memory"]["dcgan"]
    header, ((*_, peak, added),) = report.rows({**result, "items": ("images", 4)})
    assert header[-2:] == ["peak MiB", "added MiB"]
    assert 0 < float(added) < float(peak)


@pytest.mark.parametrize("system", ["stylegan2", "dcgan", "biggan", "r3gan"])
def test_every_system_makes_steps(system):
    step = systems.ours(system, size=16, batch=4, capacity=4, device="cpu")
    step()
    assert step.parameters.keys() == {"generator", "discriminator"}
    assert all(count > 1000 for count in step.parameters.values())


def test_a_cycle_holds_every_penalty_as_often_as_the_peer_s():
    networks = systems.style_networks(16, 4)
    recipe = systems.recipe_of("stylegan2", 16, 4, 4)
    trainer = Trainer(recipe, device="cpu", dataset=dcgan.pictures(16), networks=networks)
    steps = list(trainer.run(systems.CYCLE))
    assert sum("penalty" in metrics for metrics in steps) == 8
    assert sum("g_penalty" in metrics for metrics in steps) == 1


def test_our_stylegan2_has_the_peer_s_widths_from_8_px_up():
    nets = systems.style_networks(32, 8)
    g, d = nets["generator"].synthesis, nets["discriminator"]
    assert [len(getattr(g, f"b{r}").conv1.bias) for r in (32, 16, 8, 4)] == [16, 32, 64, 192]
    assert [len(getattr(d, f"b{r}").conv0.bias) for r in (32, 16, 8)] == [32, 64, 128]


@pytest.mark.skipif(not peers.PYTHON.exists(), reason="the peers' environment is not there")
def test_the_peer_runs_on_a_cpu_with_as_many_parameters():
    sizes = {"size": 32, "batch": 2, "capacity": 4, "device": "cpu"}
    contender = Contender(systems.PEER, "benchmarks.systems:theirs", sizes, str(peers.PYTHON))
    try:
        with Worker(contender, threads=1) as worker:
            theirs = worker.ask(usage=True)["parameters"]
    except CouldNotRunError as error:
        if "is not installed here" in str(error):
            pytest.skip("the peers' environment is an older one")
        raise
    ours = {role: sum(p.numel() for p in net.parameters()) for role, net in systems.style_networks(32, 4).items()}
    assert sum(ours.values()) == pytest.approx(sum(theirs.values()), rel=0.01)


def test_the_image_systems_are_compared_with_the_peer_in_whole_cycles():
    made = systems.contenders({"size": 32, "batch": 8, "capacity": 8, "device": "cpu"})
    assert [c.name for c in made] == ["stylegan2", systems.PEER, "dcgan", "biggan", "r3gan"]
    assert [c.cycle for c in made] == [32, 32, 1, 1, 1]


def test_the_accelerator_s_benchmark_needs_one(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as stop:
        accelerator.main([])
    assert str(stop.value).count("\n") == 0
    assert "no CUDA device" in str(stop.value)


def test_the_accelerator_s_benchmark_measures_the_image_systems(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(every, "main", asked.extend)
    accelerator.main(["--rounds", "3"])
    only = ["--only", "accelerator", "--only", "systems", "--only", "systems-64"]
    assert asked == [*only, "--rounds", "3"]
    assert {name for name in only if name != "--only"} <= set(every.COMPARISONS)


def test_a_process_that_dies_leaves_its_last_words():
    with pytest.raises(CouldNotRunError, match="its process ended"):
        Worker(Contender("dead", "os:abort"), threads=1)


def test_a_missing_peers_environment_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(mimicry.peers, "PYTHON", tmp_path / "python")
    result = mimicry.run(Options(quick=True, threads=1))
    assert result["could_not_run"].keys() == {"ours", "torch-mimicry 0.1.16"}
    assert any("could not run: its environment is not there" in note for note in report.notes(result))
    assert report.rows(result)[1] == []


def test_quick_run_writes_json_and_markdown(tmp_path, capsys):
    names = ["dcgan", "overhead-ring", "imports"]
    only = [word for name in names for word in ("--only", name)]
    main(["--quick", "--threads", "1", "--device", "cpu", *only, "--save", "--folder", str(tmp_path)])
    (path,) = tmp_path.glob("*.json")
    saved = json.loads(path.read_text())
    assert list(saved["results"]) == names
    assert saved["machine"]["torch"] == torch.__version__
    assert saved["results"]["dcgan"]["could_not_run"] == {}
    for result in saved["results"].values():
        assert all(seconds["median"] > 0 for seconds in result["seconds"].values())
    assert all(r["value"] > 0 for r in saved["results"]["overhead-ring"]["ratio"].values())
    text = path.with_suffix(".md").read_text()
    assert text.count("\n## ") == len(names)
    assert str(tmp_path.anchor + "work") not in text + path.read_text()
    assert "PyTorch example" in capsys.readouterr().out


def test_the_trainer_takes_networks_of_others():
    """What the peers' comparisons rest on: D without BatchNorm sees real and fake in one pass, logits may be (N, 1)."""
    net_g, net_d = nn.Sequential(nn.Linear(2, 2)), nn.Sequential(nn.Linear(2, 1))
    net_g.z_dim = 2
    trainer = Trainer("ring-mlp", device="cpu", networks={"generator": net_g, "discriminator": net_d})
    assert trainer.algorithm.joint
    assert next(trainer.run(1))["step"] == 1
