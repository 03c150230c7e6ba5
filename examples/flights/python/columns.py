"""Which columns the model reads, and how they become numbers."""

import numpy as np

STRINGS = ["carrier", "origin", "dest"]
NUMBERS = [
    "hour", "minute", "weekday", "distance",
    "temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib",
    "carrier_late_6h", "carrier_late_14d", "dest_late_6h", "dest_late_14d",
    "origin_late_3h", "origin_late_14d", "origin_landed_3h",
    "plane_year", "seats", "engines",
]  # fmt: skip
LABEL = "label"


def read(table):
    """Numbers as float32 with NaN for missing, words as text with "" for missing, the label as 0 or 1."""
    numbers = {c: table[c].cast("float32").to_numpy(zero_copy_only=False).astype(np.float32) for c in NUMBERS}
    strings = {c: np.array(["" if v is None else v for v in table[c].to_pylist()], dtype=object) for c in STRINGS}
    return numbers, strings, table[LABEL].to_numpy(zero_copy_only=False).astype(np.int64)


def vocabulary(strings):
    """A number for each word that was seen; words never seen become -1."""
    return {c: {word: float(i) for i, word in enumerate(sorted(set(values)))} for c, values in strings.items()}


def matrix(numbers, strings, words):
    encoded = [np.array([words[c].get(v, -1.0) for v in strings[c]], dtype=np.float32) for c in STRINGS]
    return np.column_stack([*encoded, *[numbers[c] for c in NUMBERS]])
