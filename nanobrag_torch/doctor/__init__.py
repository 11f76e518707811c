"""Why a gradient is zero, missing, not finite or wrong: a named cause with its evidence, and what to do."""
