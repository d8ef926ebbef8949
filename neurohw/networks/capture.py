"""A relaxation on a GPU as one recorded graph: many small kernels, launched once.

A CUDA graph replays the same kernels on the same memory. So inputs are copied into buffers that stay, results are
copied out, and arrays say which memory their reads take from and which generators their noise comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from neurohw.crossbar.base import SynapseArray

Inputs = Mapping[str, Tensor]
Function = Callable[[Inputs], list[Tensor]]
Replay = Callable[[], list[Tensor]]
Record = Callable[[Function, Inputs, list[torch.Generator]], Replay]


class Capture:
    """Calls a function of tensors that reads arrays, on a GPU by replaying a recorded graph.

    A graph is recorded once per key, per names and shapes of the inputs, and anew where an array's memory has moved. A
    call that cannot be recorded (on a CPU, or with an array that does not say what its reads take from) is a plain one.

    Args:
        record: makes a replay of a call whose inputs are in buffers that stay; None: a CUDA graph.
    """

    def __init__(self, record: Record | None = None) -> None:
        self._record = record
        self._replays: dict[object, tuple[list[int], dict[str, Tensor], Replay]] = {}

    def __call__(self, function: Function, inputs: Inputs, arrays: Iterable[SynapseArray], key: object) -> list[Tensor]:
        """Return function(inputs).

        Args:
            function: pure but for the arrays' noise; all that it depends on is in `inputs`, `arrays` and `key`, and
                nothing in it waits for the GPU.
            inputs: tensors by name.
            arrays: those that it reads.
            key: tells functions apart.
        """
        sources = self._sources(inputs, arrays)
        if sources is None:
            return function(inputs)
        tensors, generators = sources
        memory = [tensor.data_ptr() for tensor in tensors]
        key = (key, *((name, tensor.shape, tensor.dtype) for name, tensor in inputs.items()))
        known = self._replays.get(key)
        if known is None or known[0] != memory:
            buffers = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in inputs.items()}
            known = memory, buffers, (self._record or _cuda_graph)(function, buffers, generators)
            self._replays[key] = known
        _, buffers, replay = known
        for name, tensor in inputs.items():
            buffers[name].copy_(tensor)
        return [result.clone() for result in replay()]  # the next replay writes to the same memory

    def _sources(
        self, inputs: Inputs, arrays: Iterable[SynapseArray]
    ) -> tuple[list[Tensor], list[torch.Generator]] | None:
        """Return what all arrays take from; None where the call must be a plain one."""
        if self._record is None and any(tensor.device.type != "cuda" for tensor in inputs.values()):
            return None
        tensors: list[Tensor] = []
        generators: list[torch.Generator] = []
        for array in arrays:
            sources = array.sources()
            if sources is None:
                return None
            tensors += sources[0]
            generators += sources[1]
        return tensors, list(dict.fromkeys(generators))


def _cuda_graph(function: Function, buffers: Inputs, generators: list[torch.Generator]) -> Replay:
    """Record a call; generators stand as before, so that the first replay draws what a plain call would have drawn."""
    states = [generator.get_state() for generator in generators]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # libraries make their plans and take their memory before the recording
        function(buffers)
    torch.cuda.current_stream().wait_stream(side)
    for generator, state in zip(generators, states, strict=True):
        generator.set_state(state)
    graph = torch.cuda.CUDAGraph()
    for generator in generators:
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        results = function(buffers)

    def replay() -> list[Tensor]:
        graph.replay()
        return results

    return replay
