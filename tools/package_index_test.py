#!/usr/bin/python3
"""Says what package_index.py makes of the paragraphs of an index."""

import unittest

import package_index

INDEX = """Package: hello
Version: 2.10-3
Maintainer: Santiago Vila <sanvila@debian.org>
Architecture: amd64
Description: example package
Description-md5: aa
Section: devel
Priority: optional
Size: 53084
SHA256: 0f

Package: hello-data
Version: 1
Maintainer: A
Architecture: all
Installed-Size: 7
Description: short only
Description-md5: bb
Section: devel
Priority: optional
Size: 1
SHA256: 10
"""

TRANSLATION = """Package: hello
Description-md5: aa
Description-en: example package
 The first paragraph,
   indented further.
 .
 The second: \u201equoted\u201c.

Package: hello
Description-md5: of an older version
Description-en: something else
"""


def joined():
    return [dict(zip(package_index.FIELDS, cells)) for cells in package_index.joined(
        package_index.paragraphs(INDEX.splitlines(True)), package_index.paragraphs(TRANSLATION.splitlines(True)))]


class Joined(unittest.TestCase):
    def test_a_long_description_keeps_its_lines_and_its_indentation(self):
        self.assertEqual(joined()[0]["description"], "example package\nThe first paragraph,\n  indented further.\n\n"
                                                     "The second: \u201equoted\u201c.")

    def test_a_package_without_a_long_description_keeps_the_short_one(self):
        self.assertEqual(joined()[1]["description"], "short only")

    def test_what_is_not_given_is_null(self):
        self.assertIsNone(joined()[0]["installed_size"])
        self.assertEqual(joined()[1]["installed_size"], "7")

    def test_a_hash_is_written_as_bytes(self):
        self.assertEqual(joined()[0]["sha256"], "\\x0f")


class CopyLine(unittest.TestCase):
    def test_escapes_what_copy_would_take_for_its_own(self):
        self.assertEqual(package_index.copy_line(["a\tb\nc\\d", None, ""]), "a\\tb\\nc\\\\d\t\\N\t\n")


if __name__ == "__main__":
    unittest.main()
