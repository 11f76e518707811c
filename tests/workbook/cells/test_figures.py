import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from doctor.cases import impossible_cell
from PIL import Image
from samples import evidence

from nanobrag_torch.workbook.cells import figures
from nanobrag_torch.workbook.cells.probe import Case, scenario
from nanobrag_torch.workbook.show.drawing import PREVIEW_TYPE, Drawing

SIZE = 64


def case(name: str, default_F: float) -> Case:
    lit = default_F > 0
    described = scenario(
        cell=(100.0, 100.0, 100.0, 90.0, 90.0, 90.0), N_cells=(5, 5, 5), default_F=default_F, mosaic_spread_deg=0.0,
        mosaic_domains=1, detector_pixels=SIZE, pixel_size_mm=1.6, distance_mm=100.0, wavelength_A=1.0, loss="sum",
        compat="physical", dtype="float64", device="cpu",
    )  # fmt: skip
    numbers = evidence(name, default_F, *["agrees" if lit else "zero"] * 6, lit=SIZE * SIZE * lit)
    pixels = torch.arange(SIZE * SIZE, dtype=torch.float64).reshape(SIZE, SIZE) * lit
    sensitivities = {row.parameter: pixels - pixels.mean() for row in numbers.derivatives}
    return Case(described, pixels, sensitivities, numbers, (32.5, 32.5))


FOUND, CONTROL = case("as found", 0.0), case("control", 100.0)
DRAWINGS = {
    "diffraction": lambda: figures.diffraction(FOUND, CONTROL),
    "gradients": lambda: figures.gradients(FOUND.evidence, CONTROL.evidence),
    "sensitivities": lambda: figures.sensitivities(CONTROL),
    "images": lambda: figures.images({"as found": FOUND.image, "control": CONTROL.image.clone().requires_grad_()}),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_is_saved_as_png_and_svg_with_its_words(name: str, tmp_path: Path) -> None:
    DRAWINGS[name]().save(tmp_path)
    folder = tmp_path / "figures"
    with Image.open(folder / f"{name}.png") as image:
        assert image.width > 1000
    assert "<svg" in (folder / f"{name}.svg").read_text()
    words = json.loads((folder / f"{name}.json").read_text())
    assert words["name"] == name and len(words["alt"]) > 60 and len(words["caption"]) > 60


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_figure_has_something_on_it(name: str) -> None:
    bundle, metadata = DRAWINGS[name]()._repr_mimebundle_()
    pixels = np.asarray(Image.open(io.BytesIO(bundle["image/png"])).convert("L"))
    assert (pixels < 128).mean() > 0.005
    assert metadata["image/png"]["alt"] == bundle["text/plain"]


def test_the_words_say_at_once_which_case_is_dark() -> None:
    assert "as found: every pixel is exactly zero" in DRAWINGS["diffraction"]().words.alt
    titles = [axes.get_title("left") for axes in DRAWINGS["gradients"]().figure.axes]
    assert titles[0] == "As found (default_F = 0): the image is dark; every derivative is exactly 0"
    assert titles[2] == "Control (default_F = 100): the image is lit; autograd and finite difference agree"


def test_bars_show_the_gradient_beside_the_finite_difference_with_its_error_bar() -> None:
    drawing: Drawing = DRAWINGS["gradients"]()
    axes = drawing.figure.axes[2]
    heights = sorted(round(bar.get_height(), 6) for bar in axes.patches)
    assert heights == [3.5] * 6
    assert len(axes.containers) == 3, "two sets of bars and one of error bars"
    assert any("3.5 ± 1e−06" in text.get_text() for text in axes.texts)


def test_a_missing_gradient_leaves_a_gap_and_not_a_zero() -> None:
    missing = evidence("control", 100.0, *["missing"] * 6, lit=9)
    axes = figures.gradients(FOUND.evidence, missing).figure.axes[2]
    assert all(np.isnan(bar.get_height()) for bar in axes.containers[0].patches)
    assert "missing" in axes.get_title("left")


def test_images_of_ones_own_have_a_scale_each_down_from_their_brightest_pixel() -> None:
    image = np.array([[1000.0, 10.0], [-3.0, np.nan]])
    drawing = figures.images({"mine": image, "dark": np.zeros((2, 2))}, unit="counts", decades=2)
    mine, dark = (axes.images[0] for axes in drawing.figure.axes[:2])
    assert mine.get_array().tolist() == [[1000, 10], [10, 10]]
    assert (mine.norm.vmin, mine.norm.vmax) == (10, 1000) and (dark.norm.vmin, dark.norm.vmax) == (0.01, 1)
    assert drawing.words.title == "mine and dark" and "counts" in drawing.words.caption
    with pytest.raises(ValueError, match="there is none"):
        figures.images({})


def test_rings_stand_where_braggs_law_puts_them() -> None:
    found = dict(figures.rings(CONTROL))
    assert len(found) >= 2
    for resolution, radius in found.items():
        two_theta = np.arctan2(radius * 1.6, 100.0)
        assert 1.0 / (2 * np.sin(two_theta / 2)) == pytest.approx(resolution, rel=1e-9)
        assert radius < SIZE / 2


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_pooling_keeps_the_strongest_value_with_its_sign(sign: float) -> None:
    image = np.zeros((6, 6))
    image[4, 1] = sign * 7.0
    pooled = figures.strongest(image, 3)
    assert pooled.shape == (2, 2) and pooled[1, 0] == sign * 7.0 and np.count_nonzero(pooled) == 1


def test_rows_and_columns_that_fill_no_block_are_pooled_too_and_every_pixel_keeps_its_place() -> None:
    image = np.zeros((1025, 1030))
    image[1024, 1029] = 3.0
    pooled = figures.strongest(image, 2)
    assert pooled.shape == (513, 515) and pooled[512, 514] == 3.0
    axes = figures.pixels(image, "x.img", "The counts").figure.axes[0]
    assert axes.images[0].get_extent() == [0, 1030, 1026, 0] and axes.get_ylim() == (1025, 0)
    assert axes.images[0].get_array()[512, 514] == 3.0


def test_the_image_of_a_scenario_is_a_picture_to_begin_with() -> None:
    drawing = figures.pattern(as_found=FOUND.scenario, control=CONTROL.scenario)
    assert PREVIEW_TYPE in drawing._repr_mimebundle_()[0], "a page leaves it out"
    assert drawing.words.alt.startswith("Diffraction images. as found: 0 of 4096 pixels lit, the brightest 0 photons;")
    assert "control: 0" not in drawing.words.alt
    first, second = (axes for axes in drawing.figure.axes if axes.get_title())
    assert first.get_title() == "As found" and [text.get_text() for text in first.texts] == ["every pixel is exactly 0"]
    assert second.get_title() == "Control" and not second.texts


def test_a_scenario_without_an_image_has_a_picture_that_says_so() -> None:
    words = figures.pattern(scenario=impossible_cell()).words
    assert words.alt == "Diffraction images. scenario: no image can be computed."


def test_pixels_that_are_not_finite_leave_the_others_their_picture() -> None:
    image = np.arange(12.0).reshape(3, 4)
    image[0, 0] = np.nan
    words = figures.pixels(image, "x.img", "The counts", "counts / pixel").words
    assert words.alt == "x.img: image of 3 by 4 pixels, 11 counts / pixel at most."
