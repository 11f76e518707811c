"""Check every link of the built site: ``python docs/check_links.py site``.

Files and anchors that a page names must be there. Addresses of other sites are checked for their form alone, and only a
person may follow them: a page that would load anything from the network by itself is a fault. Exit status 1 where
something is wrong, with one line for each.
"""

import re
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Attributes that name what a page loads by itself, by element; "link" depends on its relation.
_LOADED = {
    "img": "src", "script": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "input": "src",
}  # fmt: skip
#: Relations of "link" that load nothing.
_NOT_LOADED = {"canonical", "prev", "next", "alternate", "author", "license", "help", "search"}
#: Page that a server gives for any address it does not know; its links begin at the root of that server.
_ERROR_PAGE = "404.html"
_STYLE_ADDRESS = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


@dataclass
class Page(HTMLParser):
    """Anchors of a page, addresses that it offers, and addresses that it loads."""

    anchors: set[str] = field(default_factory=set)
    offered: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._styling = False

    @classmethod
    def of(cls, text: str) -> "Page":
        """Page with this text."""
        page = cls()
        page.feed(text)
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element names."""
        given = {name: value or "" for name, value in attrs}
        self._styling = tag == "style"
        self.anchors |= {given[name] for name in ("id", "name") if given.get(name)}
        if tag in ("a", "area") and "href" in given:
            self.offered.append(given["href"])
        if tag in _LOADED and given.get(_LOADED[tag]):
            self.loaded.append(given[_LOADED[tag]])
        if tag == "link" and not set(given.get("rel", "").split()) & _NOT_LOADED and given.get("href"):
            self.loaded.append(given["href"])
        self.loaded += [part.split()[0] for part in given.get("srcset", "").split(",") if part.split()]
        self.loaded += _styled(given.get("style", ""))

    def handle_data(self, data: str) -> None:
        """Note what a style sheet within the page loads."""
        if self._styling:
            self.loaded += _styled(data)

    def handle_endtag(self, tag: str) -> None:
        """A style sheet ends here."""
        self._styling = False


def _styled(text: str) -> list[str]:
    return [first or second for first, second in _STYLE_ADDRESS.findall(text)]


def problems(site: Path) -> list[str]:
    """Everything that is wrong with the links of a site, one line each."""
    texts = {
        path: path.read_text(encoding="utf-8") for path in sorted(site.rglob("*.html")) if path.name != _ERROR_PAGE
    }
    pages = {path: Page.of(text) for path, text in texts.items()}
    found = [] if pages else [f"{site}: no page"]
    for path, page in pages.items():
        place = path.relative_to(site).as_posix()
        found += [f"{place}: {what}" for address in page.offered for what in _wrong(address, path, site, pages)]
        for address in page.loaded:
            if _foreign(address):
                found.append(f"{place}: loads {address} from the network")
            else:
                found += [f"{place}: {what}" for what in _wrong(address, path, site, pages)]
    for path in sorted(site.rglob("*.css")):
        named = _styled(path.read_text(encoding="utf-8"))
        found += [f"{path.relative_to(site)}: loads {each} from the network" for each in named if _foreign(each)]
    return found


def _foreign(address: str) -> bool:
    return urlsplit(address).scheme in ("http", "https") or address.startswith("//")


def _wrong(address: str, page: Path, site: Path, pages: dict[Path, Page]) -> list[str]:
    """What is wrong with one address on a page: nothing, or one line."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        return [f"{address!r} is no address: {error}"]
    if parts.scheme in ("data", "mailto", "javascript", "blob"):
        return [] if parts.scheme in ("data", "mailto") else [f"{address!r} is a script"]
    if parts.scheme or parts.netloc:
        well = parts.scheme in ("http", "https") and re.fullmatch(r"[\w.-]+\.\w+(:\d+)?", parts.netloc)
        return [] if well else [f"{address!r} is no address of a site"]
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page.resolve()
    if parts.path.startswith("/"):
        return [f"{address!r} begins at the root of a server, which a folder does not have"]
    if target.is_dir():
        target /= "index.html"
    if not target.is_file() or not target.is_relative_to(site.resolve()):
        return [f"{address!r} is not there"]
    other = pages.get(site / target.relative_to(site.resolve()))
    anchor = unquote(parts.fragment)
    if anchor and other is not None and anchor not in other.anchors and not anchor.startswith(":~:"):
        return [f"{address!r}: no such anchor"]
    return []


def main(arguments: list[str]) -> int:
    """Check the site in the folder that is named; the exit status."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        sys.stderr.write("usage: python docs/check_links.py SITE, a folder that mkdocs build made\n")
        return 2
    site = Path(arguments[0])
    found = problems(site)
    good = f"{site}: every link leads somewhere, and nothing is loaded from the network"
    sys.stdout.write("\n".join(found or [good]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
