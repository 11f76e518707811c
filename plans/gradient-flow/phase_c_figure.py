"""Figure of the options of a fixture: the part κ of every gradient that is left, beside the floor."""

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nanobrag_torch.workbook import Caption, Derivative, Drawing, drawing, number

from .records import Option, Options

#: Colour, marker and words of a gradient by whether its finite difference agrees.
_MARKS = {
    True: (drawing.AUTOGRAD, "o", "agrees with the finite difference"),
    False: (drawing.DIFFERENCE, "X", "does not agree"),
}


def cancellations(options: Options) -> Drawing:
    """Draw κ of every parameter of every option on a logarithmic scale, with the floor."""
    with rc_context(drawing.STYLE):
        figure = Figure(figsize=(10.8, 1.6 + 0.75 * len(options.options)), layout="constrained")
        axes = figure.subplots()
        rows = [(place, row) for place, option in enumerate(options.options) for row in option.evidence.derivatives]
        for agrees, (colour, marker, words) in _MARKS.items():
            chosen = [(place, row) for place, row in rows if (row.agreement == "agrees") is agrees and row.cancellation]
            axes.plot(
                [row.cancellation or 0.0 for _, row in chosen], [place for place, _ in chosen], marker, color=colour,
                markersize=9, label=words,
            )  # fmt: skip
        for place, option in enumerate(options.options):
            weakest_first = sorted(option.evidence.derivatives, key=lambda row: row.cancellation or 0.0)
            for rank, row in enumerate(row for row in weakest_first if row.cancellation):
                # Above and below in turn, since neighbours may all but coincide.
                _label(axes, place, row, 8 if rank % 2 else -17)
        axes.axvline(options.floor, color="black", linestyle="--", label=f"floor, {options.floor:g}")
        axes.set_xscale("log")
        axes.set_yticks(range(len(options.options)), [_said(option) for option in options.options])
        axes.set_ylim(len(options.options) - 0.4, -0.6)
        axes.set_xlabel("κ: what is left of the contributions of all pixels")
        figure.legend(loc="outside lower center", frameon=False, ncols=3)
    return Drawing(
        figure,
        Caption(
            name="options",
            title="What is left of every gradient",
            caption="Each mark is the gradient of one cell parameter as a part of the absolute contributions of all "
            "pixels. An option is accepted where every mark is a blue circle to the right of the floor.",
            alt="; ".join(_spoken(option) for option in options.options),
        ),
    )


def _label(axes: Axes, place: int, row: Derivative, height: int) -> None:
    """Write the symbol of a parameter at its mark.

    Args:
        axes: the axes.
        place: position of the option on the vertical axis.
        row: the parameter.
        height: distance above the mark, in points.
    """
    where = (row.cancellation or 0.0, place)
    axes.annotate(row.symbol, where, (0, height), textcoords="offset points", ha="center", fontsize=9)


def _said(option: Option) -> str:
    return f"{option.name}\n{'accepted' if option.accepted else 'not accepted'}"


def _spoken(option: Option) -> str:
    smallest = number(option.smallest_cancellation, 2)
    return f"{option.name}: smallest κ {smallest}, {'accepted' if option.accepted else option.because}"
