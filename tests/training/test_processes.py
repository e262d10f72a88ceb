"""Two real processes under `accelerate launch`, talking gloo over the loopback."""

import json
import os
import socket
import subprocess
import sys

import pytest
import torch

from gan_tutorial.training import Trainer, checkpoint, recipe

CHANGES = {
    "model.g_width": 16,
    "model.d_width": 16,
    "batch_size": 64,
    "gradient_penalty": 0.1,
    "ema": 0.9,
    "checkpoint_every": 10,
    "log_every": 5,
}


def launch(*arguments, processes=2):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    # --multi_gpu is accelerate's word for "several processes"; where there is no GPU they are CPU processes.
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--multi_gpu", "--num_machines=1"]
    command += [f"--num_processes={processes}", f"--main_process_port={port}", "--main_process_ip=127.0.0.1"]
    command += ["--mixed_precision=no", "--dynamo_backend=no", "-m", "gan_tutorial", *map(str, arguments)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def train(folder, steps, *more, processes=2):
    changes = [part for name, value in CHANGES.items() for part in ("--set", f"{name}={value}")]
    return launch(
        "train", "ring-mlp", "--device", "cpu", "--steps", steps, "--out", folder, *changes, *more, processes=processes
    )


def newest(folder):
    return checkpoint.load(checkpoint.steps(folder / "checkpoints")[-1])


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two") / "run"
    train(folder, 30, "--tracker", "tensorboard")
    return folder


def test_two_halves_train_like_one_whole(two, tmp_path):
    one = Trainer(recipe("ring-mlp").with_changes({**CHANGES, "steps": 30}), device="cpu", out=tmp_path / "one")
    for _ in one.run():
        pass
    halves, state, step = newest(two)
    whole, whole_state, _ = newest(tmp_path / "one")
    assert (step, state["world"], whole_state["world"]) == (30, 2, 1)
    assert state["settings"] == whole_state["settings"]
    # The sums are taken in another order. Measured over seeds 0-2: at most 6e-8.
    for name, tensor in whole.items():
        if name.startswith(("network.", "average.")):
            torch.testing.assert_close(halves[name], tensor, rtol=0, atol=1e-6)
    lines = [[json.loads(x) for x in (f / "metrics.jsonl").read_text().splitlines()] for f in (two, tmp_path / "one")]
    assert [x["step"] for x in lines[0]] == [5, 10, 15, 20, 25, 30]  # written once, by the first process
    for a, b in zip(*lines, strict=True):
        assert a == pytest.approx(b, abs=1e-4)


def test_two_halves_descend_like_one_whole(tmp_path):
    descent = {"optimizer": "sgd", "lr_g": 0.1, "lr_d": 0.1}
    train(tmp_path / "two", 10, *(part for name, value in descent.items() for part in ("--set", f"{name}={value}")))
    one = Trainer(recipe("ring-mlp").with_changes({**CHANGES, **descent}), device="cpu")
    for _ in one.run(10):
        pass
    halves, state, _ = newest(tmp_path / "two")
    assert (state["world"], state["settings"]) == (2, dict(vars(one.settings)))
    for role, network in one.networks.items():
        for name, tensor in network.state_dict().items():
            torch.testing.assert_close(halves[f"network.{role}.{name}"], tensor, rtol=0, atol=1e-6)


def test_resumed_pair_equals_its_unbroken_twin(two, tmp_path):
    train(tmp_path / "run", 13)
    train(tmp_path / "run", 30, "--resume")
    (resumed, state, step), (unbroken, state2, step2) = newest(tmp_path / "run"), newest(two)
    assert (state, step) == (state2, step2)
    assert resumed.keys() == unbroken.keys()
    for name, tensor in unbroken.items():
        assert torch.equal(resumed[name], tensor), name


def test_tensorboard_got_the_losses(two):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = next(two.rglob("events.out.tfevents*")).parent
    events = EventAccumulator(str(folder))
    events.Reload()
    logged = {e.step: e.value for e in events.Scalars("d_loss")}
    written = {x["step"]: x["d_loss"] for x in map(json.loads, (two / "metrics.jsonl").read_text().splitlines())}
    assert logged == pytest.approx(written, rel=1e-6)
