"""Tables: shapes that are sorted as texts stand in the order of their sizes."""

from __future__ import annotations

import json

import pandas as pd

from workbench.show.tables import table
from workbench.views.shapes import shape_text


def test_shapes_sorted_as_texts_are_sorted_by_their_sizes() -> None:
    sizes = [(8, 1024), (16, 64), (8, 64), (8, 131072)]
    rows = pd.DataFrame(
        {"shape": [json.dumps({"B": b, "T": t, "dtype": "float32", "regime": "normal"}) for b, t in sizes]}
    )
    shown, _ = table(rows, ["shape"])
    assert list(rows.loc[shown["shape"].sort_values().index, "shape"]) == [
        rows["shape"][place] for place in (2, 0, 3, 1)
    ]
    assert shape_text(rows["shape"][0]) == "B=8 T=1024 float32", "nothing is set to a width elsewhere"
