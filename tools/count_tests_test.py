#!/usr/bin/python3
"""Says what count_tests.py makes of each kind of result that CTest writes."""

import unittest
import xml.etree.ElementTree

import count_tests


def case(status, inner="", output=""):
    return xml.etree.ElementTree.fromstring(
        f'<testcase name="a" status="{status}">{inner}<system-out>{output}</system-out></testcase>')


SKIP = '<skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/>'
SKIP_OUTPUT = "[ RUN      ] A.b\na_test.cpp:4: Skipped\nSYNCFLOW_TEST_MYSQL_URL is not set\n[  SKIPPED ] A.b\n"


class Outcome(unittest.TestCase):
    def test_a_finished_test_has_passed(self):
        self.assertEqual(count_tests.outcome_of(case("run")), ("passed", ""))

    def test_a_failure_tells_its_reason(self):
        self.assertEqual(count_tests.outcome_of(case("fail", '<failure message="Timeout"/>')), ("failed", "Timeout"))

    def test_a_skip_tells_the_reason_that_the_test_gave(self):
        self.assertEqual(
            count_tests.outcome_of(case("notrun", SKIP, SKIP_OUTPUT)),
            ("skipped", "SYNCFLOW_TEST_MYSQL_URL is not set"))

    def test_a_disabled_test_is_skipped(self):
        self.assertEqual(count_tests.outcome_of(case("disabled")), ("skipped", "disabled"))

    def test_a_test_that_was_not_built_has_failed(self):
        never_built = case("notrun", '<skipped message="Unable to find executable"/>')
        self.assertEqual(count_tests.outcome_of(never_built), ("failed", "Unable to find executable"))

    def test_where_skips_fail_only_an_excuse_in_the_output_helps(self):
        skipped = case("notrun", SKIP, SKIP_OUTPUT)
        self.assertEqual(count_tests.outcome_of(skipped, skips_fail=True)[0], "failed")
        self.assertEqual(count_tests.outcome_of(skipped, True, ["SYNCFLOW_TEST_MYSQL_URL"])[0], "skipped")
        self.assertEqual(count_tests.outcome_of(skipped, True, ["SYNCFLOW_TEST_POSTGRESQL_URL"])[0], "failed")
        self.assertEqual(count_tests.outcome_of(case("disabled"), skips_fail=True)[0], "failed")


if __name__ == "__main__":
    unittest.main()
