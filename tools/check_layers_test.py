#!/usr/bin/python3
"""Says which arrows check_layers.py lets pass, and what it says of the others."""

import unittest

from check_layers import check_source


def offences(path, text):
    return list(check_source(path, text))


def including(path, included):
    return [sentence for _, sentence in offences(path, f'#include "{included}"\n')]


class Arrows(unittest.TestCase):
    def assert_allowed(self, path, included):
        self.assertEqual(including(path, included), [])

    def assert_refused(self, path, included):
        self.assertEqual(len(including(path, included)), 1, f"{path} may include {included}")

    def test_every_folder_may_include_itself(self):
        self.assert_allowed("core/batch.cpp", "core/batch.h")
        self.assert_allowed("providers/mysql/source.cpp", "providers/mysql/types.h")
        self.assert_allowed("store/migrations/all.cpp", "store/store.h")

    def test_a_folder_may_include_what_lies_above_it(self):
        self.assert_allowed("drivers/libpq/connection.h", "core/error.h")
        self.assert_allowed("providers/mysql/source.cpp", "drivers/libmariadb/handles.h")
        self.assert_allowed("store/sqlite_store.cpp", "drivers/sqlite/database.h")
        self.assert_allowed("engine/worker.cpp", "store/store.h")
        self.assert_allowed("cli/run.cpp", "engine/engine.h")
        self.assert_allowed("app/main.cpp", "providers/registry.h")
        self.assert_allowed("app/main.cpp", "console/pages.h")

    def test_no_folder_may_include_what_lies_below_it(self):
        self.assert_refused("core/batch.cpp", "provider/source.h")
        self.assert_refused("http/client.cpp", "sql/text.h")
        self.assert_refused("store/store.cpp", "engine/engine.h")
        self.assert_refused("engine/worker.cpp", "api/server.h")
        self.assert_refused("engine/worker.cpp", "app/settings.h")
        self.assert_refused("cli/run.cpp", "api/server.h")
        self.assert_refused("core/batch.cpp", "testkit/rows.h")

    def test_a_driver_knows_no_other_driver(self):
        self.assert_refused("drivers/libpq/connection.cpp", "drivers/sqlite/database.h")

    def test_a_provider_knows_no_other_provider(self):
        self.assert_refused("providers/supabase/provider.cpp", "providers/postgresql/source.h")
        self.assert_refused("providers/supabase/provider.cpp", "providers/registry.h")
        self.assert_refused("providers/supabase/provider_test.cpp", "providers/postgresql/source.h")

    def test_only_the_registry_knows_all_providers(self):
        self.assert_allowed("providers/registry.cpp", "providers/mysql/provider.h")
        self.assert_refused("engine/worker.cpp", "providers/registry.h")
        self.assert_refused("cli/providers.cpp", "providers/registry.h")

    def test_a_stand_in_keeps_its_data_in_sqlite_only(self):
        self.assert_allowed("mock/airtable/server.cpp", "drivers/sqlite/database.h")
        self.assert_refused("mock/airtable/server.cpp", "drivers/libpq/connection.h")
        self.assert_refused("mock/airtable/server.cpp", "mock/notion/server.h")

    def test_tests_may_also_use_the_testkit(self):
        self.assert_allowed("engine/worker_test.cpp", "testkit/fake_clock.h")
        self.assert_refused("engine/worker.cpp", "testkit/fake_clock.h")
        self.assert_refused("engine/worker_test.cpp", "providers/sqlite/provider.h")

    def test_the_testkit_knows_all_but_the_app(self):
        self.assert_allowed("testkit/contract.h", "providers/registry.h")
        self.assert_allowed("testkit/contract.h", "mock/airtable/server.h")
        self.assert_refused("testkit/contract.h", "app/settings.h")

    def test_a_path_begins_with_a_folder_of_src(self):
        self.assert_refused("core/batch.cpp", "batch.h")
        self.assert_refused("core/batch.cpp", "../core/batch.h")
        self.assert_refused("core/batch.cpp", "utils/strings.h")
        self.assertEqual(len(offences("utils/strings.cpp", "")), 1)
        self.assertEqual(len(offences("main.cpp", "")), 1)

    def test_an_offence_names_its_line_and_arrow(self):
        self.assertEqual(
            offences("store/store.cpp", '#include "store/store.h"\n\n  #  include "engine/engine.h" // why\n'),
            [(3, 'store may not know engine ("engine/engine.h"); it may know core, drivers/*, http')])

    def test_a_comment_includes_nothing(self):
        self.assertEqual(offences("core/a.cpp", '// see\n/*\n#include "engine/engine.h"\n*/\n'), [])
        self.assertEqual(offences("core/a.cpp", 'auto text = R"(\n#include "engine/engine.h"\n)";\n'), [])


class EngineNamesNoProvider(unittest.TestCase):
    def test_in_a_string(self):
        self.assertEqual(
            offences("engine/worker.cpp", '\nif (provider.id == "mysql") {}\n'),
            [(2, "the engine names the provider mysql: ask what a provider can do instead")])
        self.assertEqual(len(offences("engine/worker.cpp", 'auto text = R"sql(PostgreSQL)sql";')), 1)

    def test_but_in_a_comment_or_a_test_it_may(self):
        self.assertEqual(offences("engine/worker.cpp", '// as "mysql" does it\nint x = 1\'000; // "sqlite"\n'), [])
        self.assertEqual(offences("engine/worker_test.cpp", 'run("mysql");'), [])
        self.assertEqual(offences("api/providers.cpp", 'run("mysql");'), [])

    def test_and_words_that_only_contain_a_name_pass(self):
        self.assertEqual(offences("engine/worker.cpp", 'say("no notions");'), [])


if __name__ == "__main__":
    unittest.main()
