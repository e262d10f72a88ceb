"""kill -9 at random moments: whatever is interrupted, the run ends bitwise as if nothing had happened."""

import multiprocessing
import os
import random
import signal
import time

import pytest
import torch

from gan_tutorial.training import Trainer, checkpoint, recipe

STEPS, KILLS = 3000, 20
RECIPE = recipe("dcgan-digits8").with_changes(
    {"model.g_width": 4, "model.d_width": 4, "batch_size": 8, "checkpoint_every": 3, "log_every": 2, "steps": STEPS}
)


def work(folder):
    torch.set_num_threads(1)
    trainer = Trainer(RECIPE, device="cpu", out=folder, resume=True)
    for _ in trainer.run():
        pass


def newest(folder):
    entries = checkpoint.steps(folder / "checkpoints") if (folder / "checkpoints").exists() else []
    return checkpoint.load(entries[-1]) if entries else ({}, {}, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX signals")
def test_killed_twenty_times_equals_unbroken(tmp_path):
    # A forked child imports and loads nothing anew, so that most of its life is training and saving.
    Trainer(RECIPE, device="cpu")
    context = multiprocessing.get_context("fork")
    moments, kills, reached, inside_save = random.Random(1), 0, 0, 0
    while kills < KILLS:
        child = context.Process(target=work, args=(tmp_path / "killed",))
        child.start()
        deadline = time.monotonic() + 60
        # Count the delay from the first sign of life, or the first kills would all hit the start-up.
        while not (tmp_path / "killed" / "run.json").exists() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.6))
        assert child.is_alive() or child.exitcode == 0, f"the run failed with {child.exitcode}"
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        if child.exitcode == 0:
            break
        kills += 1
        inside_save += any((tmp_path / "killed").rglob("*.tmp"))
        _, _, step = newest(tmp_path / "killed")  # loads: the newest checkpoint is whole
        assert step >= reached, "a checkpoint was lost"
        reached = step
    assert kills == KILLS, "the run ended too early to be killed often enough"
    assert 20 < reached < STEPS
    print(f"{kills} kills, {inside_save} of them inside a write, step {reached} reached")

    short = RECIPE.with_changes({"steps": reached + 20})
    for name in ("killed", "unbroken"):
        trainer = Trainer(short, device="cpu", out=tmp_path / name, resume=True)
        for _ in trainer.run():
            pass
    (killed, state, step), (unbroken, state2, step2) = newest(tmp_path / "killed"), newest(tmp_path / "unbroken")
    assert (state, step) == (state2, step2)
    assert killed.keys() == unbroken.keys()
    for name, tensor in killed.items():
        assert torch.equal(tensor, unbroken[name]), name
    logs = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("killed", "unbroken")]
    assert logs[0] == logs[1]
