"""The parameters of the notebook that is running, held to what its ``parameters`` cell declares."""

import ast

from nanobrag_torch.workbook.notebooks import parameters

_OWNER = "notebook"


def check() -> None:
    """Hold every parameter of the running notebook to the type, range and choices that its cell declares.

    Called in the first cell behind the parameters, so that a person in JupyterLab is told what the command would have
    told. Where no cell can be seen, as in a script that was made of a notebook, there is nothing to check.

    Raises:
        InputError: a value is none that is allowed, or a line of the cell is no declaration.
    """
    from IPython import get_ipython

    shell = get_ipython()
    if shell is None or shell.history_manager is None:
        return
    cell = next(filter(_declares, reversed(shell.history_manager.input_hist_raw)), "")
    for name, parameter in parameters.of_cell(cell, _OWNER).items():
        parameter.check(shell.user_ns[name], _OWNER)


def _declares(cell: str) -> bool:
    """Tell whether a cell declares parameters, rightly or wrongly."""
    try:
        statements = ast.parse(parameters.python(cell)).body
    except (SyntaxError, ValueError):
        return False
    return any(isinstance(statement, ast.AnnAssign) for statement in statements)
