"""Weights trained with other people's layers, as state_dicts of these."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from kernel_variants.modules.composed import Tensor
from kernel_variants.modules.sru import SRU


def from_mingru_pytorch(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor | None]:
    """The state_dict of the package minGRU-pytorch's `minGRU` → that of MinGRU(dim, inner, bias=False), and the weight
    of the product behind it (`to_out`), None where it has none. Its gate is our k, its hidden our v."""
    known = {"to_hidden_and_gate.weight", "to_out.weight"}
    if "to_hidden_and_gate.weight" not in state or set(state) - known:
        raise ValueError(
            f"not the state_dict of a minGRU: {', '.join(sorted(state))}; it has {', '.join(sorted(known))}"
        )
    hidden, gate = state["to_hidden_and_gate.weight"].chunk(2)
    return {"weight_ih_l0": torch.cat([gate, hidden])}, state.get("to_out.weight")


def from_sru(state: Mapping[str, Tensor], module: SRU) -> dict[str, Tensor]:
    """The state_dict of the package `sru`'s SRU → that of `module`, an SRU made with the same arguments.

    The package keeps a layer's matrices side by side, channels outside: (inputs, directions, H, matrices), in the order
    v, forget, r and x'. Its forget gate is minus our k.
    """
    H, directions = module.hidden_size, 1 + module.bidirectional
    found: dict[str, Tensor] = {}
    for layer in range(module.num_layers):
        theirs = f"rnn_lst.{layer}."
        if theirs + "weight" not in state:
            raise ValueError(f"no {theirs}weight: not the state_dict of an SRU of {module.num_layers} layers")
        blocks = state[theirs + "weight"].unflatten(1, (directions, H, -1))
        biases = state[theirs + "bias"].unflatten(0, (2, directions, H))
        state_weights = state[theirs + "weight_c"].unflatten(0, (2, directions, H))
        for direction, end in enumerate(("", "_reverse")[:directions]):
            suffix = f"_l{layer}{end}"
            v, forget, *others = blocks[:, direction].unbind(-1)
            found["weight_ih" + suffix] = torch.cat([block.T for block in (-forget, v, *others)])
            found["bias_ih" + suffix] = torch.cat([-biases[0, direction], biases[1, direction]])
            if not module.v1:
                found["weight_hh" + suffix] = torch.stack([-state_weights[0, direction], state_weights[1, direction]])
        if theirs + "weight_proj" in state:
            found[f"weight_proj_l{layer}"] = state[theirs + "weight_proj"].T.clone()
        for name in ("weight", "bias"):
            if theirs + f"layer_norm.{name}" in state:
                found[f"layer_norm_l{layer}.{name}"] = state[theirs + f"layer_norm.{name}"]
    if "input_to_hidden.weight" in state:
        found["input_to_hidden.weight"] = state["input_to_hidden.weight"]
    return found
