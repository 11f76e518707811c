"""Warnings where C's rules and correct physics part."""

import pytest

PLAIN = "-cell 70 80 90 90 90 90 -default_F 100 -N 5 -detpixels 6 -pixel 1 -oversample 1 -noprogress -nonoise"
INDICES = [(h, k, l) for h in range(-3, 4) for k in range(-3, 4) for l in range(-3, 4)]
FILES = {
    "s.txt": b"-10 0.01 0 1 1e-10\n-10 0 0.02 5 1e-10\n",
    "P1.hkl": "\n".join(f"{h} {k} {l} 10" for h, k, l in INDICES).encode(),
}

DEVIATIONS = {
    "-cell 70 80 90 75 85 95": "75.0391 85.0136 95.0081 instead of 75 85 95",
    "-detector_thick 300 -detector_abs 200 -thicksteps 3": "last of 3 sensor layers",
    "-oversample_omega -oversample 2": "running total of 4 samples",
    "-phi 0 -osc 1 -phisteps 3": "phi = 0",
    "-sourcefile s.txt": "weights",
    "-water 3": "water",
    "-nodump -hkl P1.hkl -interpolate": "interpolation ends",
    "-gauss_xtal": "125 A wide",
    "-tophat_spots": "125 A wide",
}


@pytest.mark.parametrize("words", DEVIATIONS)
def test_a_deviation_from_physics_is_announced_once(words, command):
    run = command(f"{PLAIN} {words}", FILES)
    warnings = [line for line in run.stderr.splitlines() if DEVIATIONS[words] in line]
    assert len(warnings) == 1
    assert "-compat physical" in warnings[0]


@pytest.mark.parametrize("words", DEVIATIONS)
def test_correct_physics_needs_no_warning(words, command):
    run = command(f"{PLAIN} {words} -compat physical", FILES)
    assert run.exit_code == 0
    assert run.stderr == ""


@pytest.mark.parametrize(
    "words",
    ["", "-round_xtal", "-phi 1 -osc 1 -phisteps 3", "-oversample_omega", "-detector_thick 0", "-water 0",
     "-cell 70 80 90 90 110 90", "-nodump -hkl P1.hkl -interpolate -distance 400", "-nodump -hkl P1.hkl"],
)  # fmt: skip
def test_where_c_is_right_nothing_is_said(words, command):
    assert command(f"{PLAIN} {words}", FILES).stderr == ""


def test_a_detector_seen_edge_on_is_announced_in_c_and_refused_in_physical(command):
    words = f"{PLAIN} -detector_rotz 90"
    assert "seen edge-on" in command(words, FILES).stderr
    refused = command(f"{words} -compat physical", FILES)
    assert refused.exit_code == 9 and "lies in the plane of the detector" in refused.stderr
