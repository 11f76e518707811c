"""The package nbformat, loaded in a fifth of its time.

As jsonschema is loaded, by which nbformat checks notebooks, it builds a grammar of international addresses where a
package has one. That takes two seconds, and no notebook has an address to check.
"""

import sys

_GRAMMAR = "rfc3987_syntax"

if _GRAMMAR in sys.modules:
    import nbformat
else:
    sys.modules[_GRAMMAR] = None  # type: ignore[assignment]  # as if it were not installed, until jsonschema has looked
    try:
        import nbformat
    finally:
        del sys.modules[_GRAMMAR]

__all__ = ["nbformat"]
