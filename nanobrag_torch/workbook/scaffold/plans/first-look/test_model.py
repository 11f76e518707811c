"""The model held against what can be said without it."""

import torch

from nanobrag_torch.workbook import investigation

model = investigation("first-look", "model")


def test_the_gradient_of_the_height_is_the_light_of_a_spot_of_height_one() -> None:
    values = {"position": 0.1, "width": 0.3, "height": 2.0}
    p = {name: torch.tensor(value, dtype=torch.float64, requires_grad=True) for name, value in values.items()}
    loss = model.spot(p).sum()
    assert loss > 0
    loss.backward()
    one = model.spot({**p, "height": torch.tensor(1.0, dtype=torch.float64)}).sum()
    gradient = p["height"].grad
    assert gradient is not None and torch.isclose(gradient, one.detach(), rtol=1e-12)
