"""Layers to take home: MinGRU, MinLSTM, SRU and QRNN as nn.Modules, each in place of nn.GRU (docs/layers.md)."""

from kernel_variants.modules.minimal import MinGRU, MinLSTM
from kernel_variants.modules.qrnn import QRNN
from kernel_variants.modules.sru import SRU

__all__ = ["QRNN", "SRU", "MinGRU", "MinLSTM"]
