"""Choice of the columns of a reflection table that amplitudes are made of, by their MTZ types."""

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

_log = logging.getLogger(__name__)

FriedelPair = tuple[np.ndarray, np.ndarray]


def root(intensity: np.ndarray) -> np.ndarray:
    """Amplitudes (n,) of intensities (n,); a negative intensity has none."""
    amplitude: np.ndarray = np.sqrt(np.maximum(intensity, 0))
    return amplitude


def _same(amplitude: np.ndarray) -> FriedelPair:
    return amplitude, amplitude


def _split(amplitude: np.ndarray, difference: np.ndarray) -> FriedelPair:
    half = np.nan_to_num(difference) / 2
    return amplitude + half, amplitude - half


def _pair(plus: np.ndarray, minus: np.ndarray) -> FriedelPair:
    return np.where(np.isnan(plus), minus, plus), np.where(np.isnan(minus), plus, minus)


#: Amplitudes of h and -h, by the MTZ types of the columns they are made of, the preferred one first: an anomalous pair,
#: a mean with its anomalous difference, a mean, then the same from intensities (negative ones count as zero).
READINGS: dict[str, Callable[..., FriedelPair]] = {
    "GG": _pair,
    "FD": _split,
    "F": _same,
    "KK": lambda plus, minus: _pair(root(plus), root(minus)),
    "J": lambda intensity: _same(root(intensity)),
}
#: Readings of two columns of one type: h and -h.
PAIRS = ("GG", "KK")
#: Signs and words in the label of a column by which it is known as that of h or of -h.
_HANDS = {
    1: re.compile(r"\(\+\)|\+$|[_(]?plus\)?$", re.IGNORECASE),
    -1: re.compile(r"\(-\)|-$|[_(]?minus\)?$", re.IGNORECASE),
}


def read_columns(chosen: Sequence[Any]) -> FriedelPair:
    """Amplitudes (n,) of h and of -h from the columns that :func:`choose_columns` chose."""
    kind = "".join(column.type for column in chosen)
    return READINGS[kind](*(np.array(column, dtype=np.float64) for column in chosen))


def choose_columns(mtz: Any, source: str, wanted: Sequence[str] | str | None) -> list[Any]:
    """Columns of a ``gemmi.Mtz`` that a row of :data:`READINGS` reads, h before -h.

    Without ``wanted`` they are those of the first dataset that has any; the log says which, and a warning where other
    datasets have amplitudes as well. ``wanted`` are labels, or ``DATASET/LABEL``. Raises ``ValueError``, naming
    ``source``, where there are none.
    """
    if wanted is not None:
        return _named(mtz, source, [wanted] if isinstance(wanted, str) else list(wanted))
    found = {name: chosen for name, columns in _by_dataset(mtz) if (chosen := _preferred(columns))}
    if not found:
        raise ValueError(
            f"{source}: no column holds amplitudes or intensities; it has {inventory(mtz)}. Give another file."
        )
    (name, chosen), *others = found.items()
    labels = ", ".join(column.label for column in chosen)
    _log.info("%s: amplitudes from %s; columns=... chooses others of %s.", source, labels, inventory(mtz))
    if others:
        theirs = "; ".join(f"{dataset}: {', '.join(c.label for c in columns)}" for dataset, columns in others)
        warnings.warn(
            f"{source}: several datasets hold amplitudes; those of {name} were taken ({labels}). Others are {theirs}: "
            "name the columns to choose them.",
            stacklevel=2,
        )
    return chosen


def inventory(mtz: Any) -> str:
    """Labels and types of all columns, for messages."""
    return " ".join(f"{column.label}:{column.type}" for column in mtz.columns)


def _by_dataset(mtz: Any) -> Iterator[tuple[str, list[Any]]]:
    """(name, columns) of every dataset, in the order of the file; a damaged header may lack the name."""
    names = _dataset_names(mtz)
    for number in dict.fromkeys(column.dataset_id for column in mtz.columns):
        yield names.get(number, str(number)), [column for column in mtz.columns if column.dataset_id == number]


def _dataset_names(mtz: Any) -> dict[int, str]:
    return {dataset.id: dataset.dataset_name for dataset in mtz.datasets}


def _preferred(columns: Sequence[Any]) -> list[Any]:
    """Columns of the first reading for which all are there; none where there is no such reading."""
    for kind in READINGS:
        if kind in PAIRS:
            chosen = _couple([column for column in columns if column.type == kind[0]])
        else:
            chosen = [next((c for c in columns if c.type == letter), None) for letter in kind]
        if chosen and None not in chosen:
            return chosen
    return []


def _couple(columns: Sequence[Any]) -> list[Any]:
    """Two columns of h and -h: by the signs in their labels, else as they stand in the file."""
    signed = {(_hand(column.label)): column for column in reversed(columns)}
    for (hand, stem), column in reversed(signed.items()):
        if hand and (-hand, stem) in signed:
            return [column, signed[-hand, stem]][::hand]
    unsigned = [column for column in columns if not _hand(column.label)[0]]
    return unsigned[:2] if len(unsigned) > 1 else []


def _hand(label: str) -> tuple[int, str]:
    """1 for the label of h, -1 for that of -h, 0 where it does not say; and the label without its sign."""
    for hand, sign in _HANDS.items():
        if sign.search(label):
            return hand, sign.sub("", label)
    return 0, label


def _named(mtz: Any, source: str, labels: list[str]) -> list[Any]:
    chosen = [_labelled(mtz, label) for label in labels]
    kinds = "".join(column.type if column is not None else "?" for column in chosen)
    if kinds not in READINGS:
        raise ValueError(
            f"{source}: columns = {labels} are no amplitudes; it has {inventory(mtz)} (name:type). "
            f"Name columns of the types {', '.join(READINGS)}."
        )
    return _couple(chosen) or chosen if kinds in PAIRS else chosen


def _labelled(mtz: Any, name: str) -> Any:
    """The column of a label, or of ``DATASET/LABEL``; None where there is none."""
    plain = next((column for column in mtz.columns if column.label == name), None)
    dataset, _, label = name.rpartition("/")
    names = _dataset_names(mtz)
    in_dataset = (c for c in mtz.columns if c.label == label and names.get(c.dataset_id) == dataset)
    return plain if plain is not None else next(in_dataset, None)
