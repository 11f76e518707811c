"""Records of this investigation. Each is a JSON file of its reports; ledger, index and verification find it here."""

from nanobrag_torch.workbook import KeyNumber, Record, exact


class Spot(Record):
    """Light of the spot, and what the closed form says."""

    file = "spot.json"

    light: float
    closed_form: float
    relative_error: float = 0.0

    def model_post_init(self, context: object) -> None:
        """Fill in the error."""
        object.__setattr__(self, "relative_error", abs(self.light / self.closed_form - 1))

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Numbers by which two runs are compared."""
        return {"light": exact(self.light)}
