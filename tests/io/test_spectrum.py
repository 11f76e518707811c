"""Spectra of two columns."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobrag_torch.io.spectrum import read_spectrum


def read(tmp_path, text):
    path = tmp_path / "spectrum.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_spectrum(path)


@pytest.mark.parametrize(
    ("text", "unit", "evidence"),
    [
        ("1.30 1\n1.31 2\n", "A", "size"),
        ("9500 1\n9510 2\n", "eV", "size"),
        ("# a spectrum of the machine\n9500 1\n9510 2\n", "eV", "size"),
        ("energy_eV, weight\n9500, 1\n9510, 2\n", "eV", "header"),
        ("# Energy (eV) from wavelength calibration\n9500;1\n9510;2\n", "eV", "header"),
        ("wavelength weight\r\n1.30 1\r\n1.31 2", "A", "header"),
        ("# lambda [A]\n\n1.30\t1 # first\n1.31\t2\n", "A", "header"),
        ("# energy\n50 1\n60 2\n", "eV", "header"),
    ],
)
def test_the_unit_of_a_spectrum_is_told_by_its_header_or_else_by_its_size(tmp_path, text, unit, evidence):
    spectrum = read(tmp_path, text)
    assert (spectrum.unit, spectrum.evidence) == (unit, evidence)
    assert spectrum.weights.tolist() == [1.0, 2.0]
    first = [
        float(line.split("#")[0].replace(",", " ").replace(";", " ").split()[0]) for line in text.splitlines()[-2:]
    ]
    want = first if unit == "A" else [12398.4197 / energy for energy in first]
    assert spectrum.wavelengths.tolist() == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no wavelength.*Each line needs"),
        ("# eV\n", "no wavelength"),
        ("1.3 1\n9500 1\n", "no one unit"),
        ("# keV\n9.5 1\n", "says keV.*Give energies in eV"),
        ("1.3\n", "line 1: 1 numbers"),
        ("1.3 1 2\n", "line 1: 3 numbers"),
        ("1.3 1\nlast line\n", "line 2: 'last line' are no numbers"),
        ("one\ntwo\n", "line 2: 'two' are no numbers"),
        ("-1.3 1\n", "line 1: -1.3 1: must be positive"),
        ("1.3 -1\n", "line 1: 1.3 -1: must be positive"),
        ("1.3 nan\n", "must be positive"),
        ("1.3 0\n1.4 0\n", "all weights are 0"),
    ],
)
def test_what_is_no_spectrum_is_refused_with_its_line_and_a_remedy(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"(?s)spectrum.txt.*{message}"):
        read(tmp_path, text)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.one_of(st.binary(max_size=80), st.text("0123456789.e-+ \n,#aevAk", max_size=60)))
def test_any_bytes_are_a_spectrum_or_a_said_error(tmp_path_factory, content):
    with contextlib.suppress(ValueError):
        spectrum = read(tmp_path_factory.getbasetemp(), content)
        assert (spectrum.wavelengths > 0).all() and spectrum.weights.sum() > 0
