#!/usr/bin/python3
"""Joins a Debian package index with its long descriptions into one table.

    tools/package_index.py PACKAGES TRANSLATION > packages.tsv

Prints one line a package, in the text form of PostgreSQL's COPY: cells part at tabs, \\N is null, and
backslash, tab and line feed are escaped by a backslash. FIELDS are the columns. A package whose long
description is missing keeps its short one.
"""

import sys

# Column: the field of the index. What is not here is not always there, or no text of one line.
FIELDS = {
    "name": "Package",
    "version": "Version",
    "architecture": "Architecture",
    "maintainer": "Maintainer",
    "section": "Section",
    "priority": "Priority",
    "multi_arch": "Multi-Arch",
    "homepage": "Homepage",
    "installed_size": "Installed-Size",
    "size": "Size",
    "sha256": "SHA256",
    "description": "Description",
}


def paragraphs(lines):
    """Each paragraph of a control file as a dict; a continued value keeps its line feeds, see deb822(5)."""
    paragraph, name = {}, None
    for line in lines:
        line = line.rstrip("\n")
        if not line:
            if paragraph:
                yield paragraph
            paragraph, name = {}, None
        elif line[0] in " \t":
            paragraph[name] += "\n" + ("" if line == " ." else line[1:])
        else:
            name, _, value = line.partition(":")
            paragraph[name] = value.strip()
    if paragraph:
        yield paragraph


def joined(packages, translations):
    """Yields a list of cells, in the order of FIELDS, for each package."""
    long = {(entry["Package"], entry["Description-md5"]): entry["Description-en"] for entry in translations}
    for package in packages:
        cells = {column: package.get(field) for column, field in FIELDS.items()}
        cells["sha256"] = "\\x" + cells["sha256"]
        cells["description"] = long.get((package["Package"], package["Description-md5"]), cells["description"])
        yield list(cells.values())


def copy_line(cells):
    return "\t".join("\\N" if cell is None else escaped(cell) for cell in cells) + "\n"


def escaped(text):
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def main(packages, translation):
    with open(packages, encoding="utf-8") as index, open(translation, encoding="utf-8") as descriptions:
        for cells in joined(paragraphs(index), paragraphs(descriptions)):
            sys.stdout.buffer.write(copy_line(cells).encode())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
