import pytest
import torch

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig
from nanobrag_torch.models import Beam

X, Y, Z = torch.eye(3, dtype=torch.float64)
C, PHYSICAL = Compat.of("c"), Compat.of("physical")


def test_wavelengths_run_inside_directions():
    beam = Beam(
        BeamConfig(wavelength_A=2.0, hdiv_range_mrad=2.0, hdiv_steps=2, dispersion_pct=10.0, dispersion_steps=3)
    )
    sources = beam.sources(X, Z, PHYSICAL)
    assert sources.count == 6
    assert sources.wavelengths.tolist() == pytest.approx([1.9e-10, 2.0e-10, 2.1e-10] * 2)
    assert torch.equal(sources.directions[0], sources.directions[2])
    assert not torch.equal(sources.directions[2], sources.directions[3])


def test_a_source_list_points_from_the_sample_and_is_normalised():
    config = BeamConfig(source_directions=torch.tensor([[-2.0, 0.0, 0.0], [-1.0, 0.01, 0.0]]), wavelength_A=1.5)
    sources = Beam(config).sources(X, Z, PHYSICAL)
    assert sources.directions[0].tolist() == [1.0, 0.0, 0.0]
    assert sources.directions.norm(dim=1).tolist() == pytest.approx([1.0, 1.0])
    assert sources.wavelengths.tolist() == pytest.approx([1.5e-10] * 2)


def test_source_weights_count_except_in_c():
    config = BeamConfig(
        source_directions=torch.tensor([[-1.0, 0, 0], [-1.0, 0.1, 0]]), source_weights=torch.tensor([1.0, 3.0])
    )
    assert Beam(config).sources(X, Z, PHYSICAL).weights.tolist() == [0.5, 1.5]
    assert Beam(config).sources(X, Z, C).weights.tolist() == [1.0, 1.0]
    config.source_weights = torch.zeros(2)
    with pytest.raises(ValueError, match="source_weights"):
        Beam(config).sources(X, Z, PHYSICAL)


def test_weights_without_directions_lie_on_the_beam_and_are_normalised_with_a_warning():
    with pytest.warns(UserWarning, match=r"source_weights without source_directions: 3 sources.*normalised") as warned:
        config = BeamConfig(wavelength_A=1.5, source_weights=torch.tensor([2.0, 3.0, 5.0]))
    assert warned[0].filename == __file__
    sources = Beam(config).sources(Y, Z, PHYSICAL)
    assert sources.directions.tolist() == [[0.0, 1.0, 0.0]] * 3
    assert sources.weights.tolist() == pytest.approx([0.6, 0.9, 1.5])
    assert sources.wavelengths.tolist() == pytest.approx([1.5e-10] * 3)
    assert Beam(config).sources(Y, Z, C).weights.tolist() == [1.0, 1.0, 1.0]


@pytest.mark.filterwarnings("error")
def test_wavelengths_without_directions_are_a_spectrum_on_the_beam():
    sources = Beam(BeamConfig(source_wavelengths=torch.tensor([1e-10, 2e-10]))).sources(X, Z, PHYSICAL)
    assert sources.wavelengths.tolist() == pytest.approx([1e-10, 2e-10])
    assert sources.directions.tolist() == [[1.0, 0.0, 0.0]] * 2


def test_the_polarization_axis_is_the_conventions_unless_given():
    assert torch.equal(Beam(BeamConfig()).polarization(Y).axis, Y)
    assert torch.equal(Beam(BeamConfig(polarization_axis=(0.0, 0.0, 2.0))).polarization(Y).axis, Z)
    assert not Beam(BeamConfig(nopolar=True)).polarization(Y).enabled
    assert Beam(BeamConfig(nopolar=True)).polarization(Y, overridden=True).enabled


def test_a_divergence_range_that_is_a_tensor_keeps_its_graph():
    full = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    sources = Beam(BeamConfig(hdiv_range_mrad=full, hdiv_steps=3, vdiv_range_mrad=1.0, vdiv_steps=3)).sources(
        X, Z, PHYSICAL
    )
    (slope,) = torch.autograd.grad(sources.directions[:, 2].abs().sum(), full)
    assert sources.count == 5 and slope.item() == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize(("compat", "count"), [("physical", 7), ("c", 8)])
def test_a_divergence_of_a_whole_number_of_steps_has_that_number_but_in_c(compat, count):
    assert 2.1 / 0.3 > 7
    beam = Beam(BeamConfig(hdiv_range_mrad=2.1, hdiv_step_mrad=0.3))
    assert beam.divergence(Compat.of(compat)).horizontal.count == count


def test_every_direction_shines_in_every_channel_of_a_spectrum_with_its_weight():
    spectrum = ([1.0, 1.1, 1.3], [1.0, 2.0, 3.0])
    beam = Beam(BeamConfig(spectrum=spectrum, hdiv_range_mrad=2.0, hdiv_steps=2))
    for compat in (C, PHYSICAL):
        sources = beam.sources(X, Z, compat)
        assert sources.count == 6
        assert sources.wavelengths.tolist() == pytest.approx([1.0e-10, 1.1e-10, 1.3e-10] * 2)
        assert sources.weights.tolist() == pytest.approx([0.5, 1.0, 1.5] * 2)
        assert torch.equal(sources.directions[0], sources.directions[2])
        assert not torch.equal(sources.directions[2], sources.directions[3])
    assert beam.wavelength.item() == pytest.approx((1.0 + 2.2 + 3.9) / 6 * 1e-10)
    assert beam.divergence(C).dispersion.count == 3


def test_a_spectrum_is_compared_by_its_numbers_and_kept_as_it_is_assigned():
    one, two = (BeamConfig(spectrum=([1.0, 1.1], torch.tensor([1.0, 2.0]))) for _ in range(2))
    assert one == two and one != BeamConfig() and one != BeamConfig(spectrum=([1.0, 1.2], [1.0, 2.0]))
    weights = torch.tensor([1.0, 2.0], requires_grad=True)
    one.spectrum = (torch.tensor([1.0, 1.1]), weights)
    assert one.spectrum[1] is weights
