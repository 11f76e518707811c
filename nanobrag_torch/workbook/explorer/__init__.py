"""Parts of an interactive explorer that need no widget."""
