"""Numbers as text for people."""


def number(value: float | None, digits: int = 10) -> str:
    """Text of a number: ``digits`` significant ones, a true minus sign, a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}g}".replace("-", "−")
