"""The door to the explorer."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook.explorer.kept import is_other
from nanobrag_torch.workbook.explorer.subjects import Explored, ExploredFunction, ExploredScenario
from nanobrag_torch.workbook.explorer.view import Explorer


def explore(
    explored: Scenario | Callable[[dict[str, Tensor]], Tensor],
    params: Mapping[str, Any] | None = None,
    *,
    loss: Callable[[Tensor], Tensor] | None = None,
    hkl: str | Path | None = None,
    links: str = "/files/",
    keep: str | Path | None = None,
) -> Explorer:
    """Move sliders, and see image, gradients and the doctor's verdict move with them.

    Args:
        explored: a scenario, whose quantities all have sliders; or a function of a dict of 0-d tensors.
        params: numbers of the function at the start, by name. None for a scenario.
        loss: reduces the function's image (slow, fast) to a loss; None where it gives the loss itself.
        hkl: file of a scenario's structure factors, which saved scenarios name.
        links: address below which the server of the page has files of the project.
        keep: file for the present state: an explorer that is opened with the same file goes on from there.

    Returns:
        The explorer; a cell that ends in it shows its widgets.

    Raises:
        ValueError: parameters are no numbers, or do not belong to what is explored; or ``keep`` is a file of other
            content.

    Example:
        ```python
        explore(scenario)
        explore(lambda p: (p["x"] ** 2 - p["y"]) ** 2, {"x": 1.0, "y": 2.0})
        ```
    """
    made: Explored
    if keep is not None and not Path(keep).absolute().parent.is_dir():
        raise ValueError(f"explore, keep = {str(keep)!r}: must be a file in a folder that exists. Make the folder.")
    if keep is not None and is_other(Path(keep)):
        raise ValueError(f"explore, keep = {str(keep)!r}: holds no state, and would be replaced. Name another file.")
    if isinstance(explored, Scenario):
        if params is not None or loss is not None:
            raise ValueError("explore, params and loss: must be left out for a scenario, which has its own.")
        made = ExploredScenario(explored, None if hkl is None else Path(hkl))
    elif params is None:
        raise ValueError("explore, params: must be given for a function: {'name': value} for each of its numbers.")
    else:
        made = ExploredFunction.of(explored, params, loss)
    return Explorer(made, links, None if keep is None else Path(keep))
