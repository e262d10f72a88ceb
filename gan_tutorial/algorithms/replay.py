"""One update as a CUDA graph: a small network's step is mostly the host saying what to do next, so say it once."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Outputs = dict[str, Tensor]
_EAGER = 3  # calls before the recording: what is set up on first use must be there by then


class Replay:
    """A function of tensors that is recorded once on a GPU and then replayed; elsewhere it is just called.

    Args:
        function: takes tensors of fixed shapes and returns tensors by name. It may draw random numbers from the
            device's default generator and update parameters in place, but must not wait for the device, nor depend on
            anything else that changes: make a new Replay when such a thing does.

    What a replay returned is overwritten by the next one; clone what has to stay.
    """

    def __init__(self, function: Callable[..., Outputs]) -> None:
        self.function, self.calls = function, 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.inputs: list[Tensor] = []
        self.outputs: Outputs = {}

    def __call__(self, *inputs: Tensor) -> Outputs:
        if inputs[0].device.type != "cuda":
            return self.function(*inputs)
        if self.calls < _EAGER:
            self.calls += 1
            return self._beside(inputs)
        if self.graph is None:
            self.inputs = [x.clone() for x in inputs]
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.outputs = self.function(*self.inputs)
        for kept, x in zip(self.inputs, inputs, strict=True):
            kept.copy_(x)
        self.graph.replay()
        return self.outputs

    def _beside(self, inputs: tuple[Tensor, ...]) -> Outputs:
        """A plain call on a stream of its own, as the recording will be one."""
        stream, main = torch.cuda.Stream(), torch.cuda.current_stream()
        stream.wait_stream(main)
        with torch.cuda.stream(stream):
            outputs = self.function(*inputs)
        main.wait_stream(stream)
        return outputs
