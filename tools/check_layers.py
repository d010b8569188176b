#!/usr/bin/python3
"""Checks that the folders of src/ know only the folders that they may know.

    tools/check_layers.py [ROOT]

Reads the #include "..." lines below ROOT/src and names each arrow that ARROWS does not allow. Also refuses
a string in the engine that names a provider: the engine asks what a provider can do, not which one it is.
Strings and comments are told apart; code that the preprocessor leaves out is read like the rest.
"""

import fnmatch
import pathlib
import re
import sys

# Folder: the folders it may include besides itself; `*` stands for one folder name.
ARROWS = {
    "core": [],
    "drivers/*": ["core"],
    "http": ["core", "drivers/*"],
    "provider": ["core", "http"],
    # It reads any database's tables behind provider/source.h, so that each provider brings only its dialect.
    "sql": ["core", "drivers/*", "provider"],
    "providers/*": ["core", "provider", "drivers/*", "http", "sql"],
    # Only the registry lies in `providers` itself.
    "providers": ["core", "provider", "drivers/*", "http", "sql", "providers/*"],
    "store": ["core", "drivers/*", "http"],
    "engine": ["core", "provider", "store"],
    "api": ["core", "provider", "engine", "store"],
    "console": ["core", "provider", "engine", "store"],
    "cli": ["core", "provider", "engine", "store"],
    "mock/*": ["core", "http", "drivers/sqlite"],
    # Only the list of the stand-ins lies in `mock` itself.
    "mock": ["core", "http", "drivers/sqlite", "mock/*"],
    "testkit": ["core", "drivers/*", "http", "sql", "provider", "providers", "providers/*", "store", "engine",
                "api", "console", "cli", "mock", "mock/*"],
    "app": ["*", "*/*"],
}

PROVIDERS = {"airtable", "notion", "google_sheets", "supabase", "sqlserver", "postgresql", "mysql", "mongodb",
             "sqlite"}

TOKEN = re.compile(
    r"""
      (?P<comment> //(?:\\\n|[^\n])* | /\*.*?\*/ )
    | (?P<raw> \b(?:u8|[uUL])?R"(?P<mark>[^()\\\s]{0,16})\((?P<raw_text>.*?)\)(?P=mark)" )
    | (?P<include> ^[ \t]*\#[ \t]*include[ \t]*"(?P<path>[^"\n]+)" )
    | (?P<string> "(?P<text>(?:\\.|[^"\\\n])*)" )
    | (?P<character> (?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+' )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


def is_for_tests(path):
    """A test, or what the tests of its folder share."""
    name = path.rsplit("/", 1)[-1]
    return name.endswith("_test.cpp") or name.startswith("test_")


def matches(folder, pattern):
    """As a shell would: a `*` does not reach across a slash."""
    return folder.count("/") == pattern.count("/") and fnmatch.fnmatchcase(folder, pattern)


def folder_of(path):
    """The folder that decides for this path below src/, as in `providers/mysql` or `engine`; None if none does."""
    folders = path.split("/")[:-1]
    for folder in ("/".join(folders[:2]), "/".join(folders[:1])):
        if any(matches(folder, known) for known in ARROWS):
            return folder
    return None


def allowed_for(path):
    """The patterns that the file at this path below src/ may include, its own folder left out."""
    folder = folder_of(path)
    allowed = next(targets for known, targets in ARROWS.items() if matches(folder, known))
    return allowed + ["testkit"] if is_for_tests(path) else allowed


def check_include(path, included):
    """A sentence on what is wrong with this include, or None."""
    source, target = folder_of(path), folder_of(included)
    if target is None:
        return f'"{included}" does not begin with a folder of src/: write the path from there'
    if target == source or any(matches(target, pattern) for pattern in allowed_for(path)):
        return None
    allowed = ", ".join(allowed_for(path)) or "no other folder"
    return f'{source} may not know {target} ("{included}"); it may know {allowed}'


def named_provider(text, providers):
    return next((name for name in sorted(providers) if re.search(rf"(?<![a-z]){name}(?![a-z])", text, re.I)), None)


def check_source(path, text, providers=frozenset(PROVIDERS)):
    """Yields (line, sentence) for each offence of the file at this path below src/."""
    if folder_of(path) is None:
        yield 1, f"src/{path} lies in no folder that the table of layers has"
        return
    names_no_provider = folder_of(path) == "engine" and not is_for_tests(path)
    for token in TOKEN.finditer(text):
        line = text.count("\n", 0, token.start()) + 1
        if token["include"]:
            sentence = check_include(path, token["path"])
            if sentence:
                yield line, sentence
        elif names_no_provider and (token["string"] or token["raw"]):
            name = named_provider(token["text"] or token["raw_text"] or "", providers)
            if name:
                yield line, f"the engine names the provider {name}: ask what a provider can do instead"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    src = root / "src"
    providers = PROVIDERS | {folder.name for folder in (src / "providers").glob("*/")}
    offences = 0
    for file in sorted([*src.rglob("*.h"), *src.rglob("*.cpp")]):
        path = file.relative_to(src).as_posix()
        for line, sentence in check_source(path, file.read_text(encoding="utf-8"), providers):
            print(f"src/{path}:{line}: {sentence}")
            offences += 1
    return 1 if offences else 0


if __name__ == "__main__":
    sys.exit(main())
