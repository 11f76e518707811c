"""From words to options: the C program's scan, and what is mended in it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.flags import FLAGS
from nanobrag_torch.cli.parse import find, parse
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.config import DetectorConvention, DetectorPivot


def settings_from(text):
    settings = Settings()
    parse(text.split()).apply(settings)
    return settings


@pytest.mark.parametrize(
    ("word", "option"),
    [
        ("-hklfile", "-hkl"),
        ("-matrix", "-mat"),
        ("-lambda0", "-lambda"),
        ("-oscillation", "-osc"),
        ("-detector_absorb", "-detector_abs"),
        ("-adcoffset", "-adc"),
        ("-mosaic_domains", "-mosaic_dom"),
        ("-mosaic_spread", "-mosaic"),
        ("-mosaicity", "-mosaic"),
        ("-xtal_height", "-sample_heigh"),
        ("-misset_seed", "-misset_seed"),
        ("-twotheta_axis", "-twotheta_axis"),
        ("-printout_pixel", "-printout_pixel"),
        ("-pixel_batch_size", "-pixel_batch_size"),
        ("-pixelsize", "-pixel"),
        ("--pixel-batch-size", "-pixel_batch_size"),
        ("--help", "-h"),
    ],
)
def test_a_word_means_the_option_of_that_name_or_of_the_longest_pattern_in_it(word, option):
    flag = find(word)
    assert flag is not None and flag.name == option


@pytest.mark.parametrize("word", ["-Number", "-phi0", "-lamda", "-hdiv", "-detsize_x", "lambda", "-5"])
def test_a_word_that_is_no_option_is_none(word):
    assert find(word) is None


@pytest.mark.parametrize("flag", FLAGS, ids=lambda flag: flag.name)
def test_every_listed_name_finds_its_option(flag):
    assert all(find(name.rstrip("*")) is flag for name in flag.names)


def test_the_last_of_repeated_options_wins():
    assert settings_from("-lambda 1.5 -energy 6199.21 -lambda 1.25").wavelength_A == 1.25
    assert settings_from("-nonoise -noisefile n.img").write_noise
    assert not settings_from("-noisefile n.img -nonoise").write_noise
    assert not settings_from("-polar 0.9 -nopolar -polar 0.5").nopolar


def test_numbers_are_read_as_c_reads_them_with_a_remark():
    parsed = parse(["-N", "2.7", "-distance", "100mm", "-detpixels", "1e3"])
    settings = Settings()
    parsed.apply(settings)
    assert (settings.Na, settings.distance_mm, settings.fpixels) == (2, 100.0, 1)
    assert len(parsed.remarks) == 3


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("-cell 60 -N 4", (60.0,)),
        ("-cell 70 80 90 75 85 95 5", (70.0, 80.0, 90.0, 75.0, 85.0, 95.0)),
        ("-cell 70 80 90 -90 90 90", (70.0, 80.0, 90.0)),
    ],
)
def test_a_cell_takes_one_to_six_numbers(text, cell):
    assert settings_from(text).cell == cell


def test_negative_numbers_are_values():
    settings = settings_from("-misset -1 -2.5 -.5 -roi -1 5 -1 6")
    assert settings.misset_deg == (-1.0, -2.5, -0.5)
    assert settings.roi == (-1, 5, -1, 6)


def test_conventions_request_their_pivot():
    settings = settings_from("-xds -distance 100")
    assert (settings.convention, settings.pivot) == (DetectorConvention.XDS, DetectorPivot.BEAM)
    assert settings_from("-distance 100 -twotheta 5").pivot is DetectorPivot.SAMPLE


@pytest.mark.parametrize(
    "text", ["-distance", "-hkl", "-detector_abs", "-detector_thick", "-thicksteps", "-cell", "-roi 1"]
)
def test_a_missing_value_is_an_error_that_names_the_option(text):
    with pytest.raises(CommandError, match=text.split()[0]):
        parse(text.split())


@pytest.mark.parametrize("text", ["-distance abc", "-hkl -cell 10", "-N x", "-cell a", "-misset 1 2 z"])
def test_a_value_that_cannot_be_one_is_an_error(text):
    with pytest.raises(CommandError, match=text.split()[0]):
        parse(text.split())


def test_unknown_options_are_remarked_with_the_nearest_name():
    parsed = parse(["-lamda", "1.5", "-cell", "60", "stray"])
    assert [flag.name for flag, _ in parsed.assignments] == ["-cell"]
    assert "did you mean -lambda" in parsed.remarks[0]
    assert "stray" in parsed.remarks[1]


def test_strict_makes_an_unknown_option_an_error():
    with pytest.raises(CommandError, match="-lamda"):
        parse(["-lamda", "1.5", "-strict"])


def test_a_misset_seed_is_not_taken_for_a_misset():
    settings = settings_from("-misset random -misset_seed 5 -seed 3")
    assert (settings.misset_random, settings.misset_seed) == (True, 5)


def test_strict_c_takes_a_misset_seed_for_a_misset_too():
    settings = settings_from("-strict_c -misset random -misset_seed 5 -seed 3")
    assert (settings.misset_random, settings.misset_deg) == (False, (5.0, 0.0, 3.0))


def test_a_twotheta_axis_leaves_the_angle_alone():
    settings = settings_from("-twotheta 20 -twotheta_axis 3 0 -1")
    assert (settings.detector_twotheta_deg, settings.twotheta_axis) == (20.0, (3.0, 0.0, -1.0))


def test_strict_c_takes_a_twotheta_axis_for_an_angle_too():
    assert settings_from("-strict_c -twotheta 20 -twotheta_axis 3 0 -1").detector_twotheta_deg == 3.0


def test_strict_c_reads_what_is_no_number_as_zero_and_ignores_missing_values():
    settings = settings_from("-strict_c -phi abc -osc")
    assert (settings.phi_deg, settings.osc_deg) == (0.0, None)


def test_strict_c_does_not_consume_values():
    assert settings_from("-strict_c -hkl -nopolar").nopolar


REAL_OPTIONS = [
    flag for flag in FLAGS if flag.kind == "real" and flag.count == 1 and flag.convert is None and flag.sets
]


@given(
    st.lists(
        st.sampled_from(REAL_OPTIONS).flatmap(
            lambda flag: st.tuples(st.just(flag), st.floats(0 if flag.extension else -1e6, 1e6))
        ),
        unique_by=lambda pair: pair[0].sets,
        max_size=8,
    ),
    st.randoms(),
)
def test_options_that_set_different_things_may_stand_in_any_order(pairs, random):
    pairs = [pair for pair in pairs if not pair[0].also]
    words = [f"{flag.name} {value!r}" for flag, value in pairs]
    touched = [name for flag, _ in pairs for name in flag.sets]
    if len(touched) != len(set(touched)):
        return
    shuffled = random.sample(words, len(words))
    assert settings_from(" ".join(words)) == settings_from(" ".join(shuffled))


@given(st.lists(st.text(alphabet="-abcdefghiklmnopqrstuvwxyzNXY_0123456789. ", max_size=12), max_size=12))
def test_any_words_are_read_or_refused_with_an_error_of_ours(words):
    for line in (words, [*words, "-strict_c"]):
        try:
            parse(line).apply(Settings())
        except (CommandError, ValueError) as error:
            assert str(error)


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        ("-lamda 2", "unknown option -lamda is ignored; did you mean -lambda?"),
        ("-defaultF 100", "unknown option -defaultF is ignored; did you mean -default_F?"),
        ("-distnace 90", "did you mean -distance?"),
        ("-nopolr", "did you mean -nopolar?"),
        ("-cell 100 100 -50", "'-50' belongs to no option"),
        ("stray", "'stray' belongs to no option"),
        ("-phisteps 1e8", "-phisteps 1e8 was read as 1, as C reads numbers"),
        ("-lambda 1,5", "-lambda 1,5 was read as 1"),
        *(
            (f"{option} -1", f"{option} -1 is below 0 and does not count, as in C")
            for option in (
                "-mosaic", "-mosaic_dom", "-samplesize", "-sample_x", "-sample_y", "-sample_z", "-dispersion",
                "-dispsteps", "-divergence", "-hdivrange", "-vdivrange", "-hdivstep", "-vdivstep", "-hdivsteps",
                "-vdivsteps", "-divsteps", "-detector_thick", "-detector_thicksteps", "-osc", "-phistep", "-phisteps",
                "-oversample", "-scale", "-pgmscale",
            )
        ),
        *((f"{option} 0", f"{option} 0 is below 1 and does not count") for option in ("-N", "-Na", "-Nb", "-Nc")),
        ("-roi -7 3 0 3", "-roi -7 is below -1"),
    ],
)  # fmt: skip
def test_what_c_passes_over_is_said_and_an_error_where_its_rules_are_not_asked_for(slip, said):
    words = f"-cell 100 -default_F 1 {slip}".split()
    for compat in ([], ["-compat", "c"]):
        assert [remark for remark in parse([*words, *compat]).remarks if said in remark]
    with pytest.raises(CommandError, match=f"(?s){re.escape(said)}.*-compat physical makes this an error"):
        parse([*words, "-compat", "physical"])


def test_what_is_right_is_no_error_where_the_rules_of_c_are_not_asked_for():
    words = "-cell 100 -N 5 -mosaic 0 -oversample 0 -osc 0 -roi -1 3 -1 3 -misset -3 0 -1e2 -phi -5 -compat physical"
    assert parse(words.split()).remarks == []


@pytest.mark.parametrize("value", ["nan", "-nan", "inf", "-inf", "infinity", "1e999"])
@pytest.mark.parametrize("flag", [flag for flag in FLAGS if flag.kind == "real"], ids=lambda flag: flag.name)
def test_a_number_that_is_none_is_refused_by_its_option(flag, value):
    words = [flag.name, *[value] * flag.count]
    with pytest.raises(CommandError, match=f"{flag.name} {value}"):
        parse(words)
