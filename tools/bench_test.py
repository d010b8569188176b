#!/usr/bin/python3
"""Tests of tools/bench: what stands between a clock and a figure that people read."""

import contextlib
import io
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "bench"))

import accounts
from job_queue import checked_speed, compared
from measure import Figure, number, timed, timed_pipe


class Goals(unittest.TestCase):
    def test_a_figure_without_a_goal_neither_meets_nor_misses_it(self):
        self.assertIsNone(Figure("x", 1.0, "s").met)

    def test_a_ratio_meets_its_goal_from_the_goal_on(self):
        self.assertTrue(Figure("x", 0.8, "of COPY", at_least=0.8).met)
        self.assertFalse(Figure("x", 0.79, "of COPY", at_least=0.8).met)

    def test_a_cost_meets_its_goal_up_to_the_goal(self):
        self.assertTrue(Figure("x", 64.0, "MiB", at_most=64).met)
        self.assertFalse(Figure("x", 64.1, "MiB", at_most=64).met)

    def test_a_miss_stands_in_the_line(self):
        self.assertEqual(Figure("x", 2.0, "times pgloader", at_least=4, details={"rows": 5000}).line(),
                         "x: 2.00 times pgloader (at least 4: MISSED); rows 5,000")

    def test_numbers_are_as_exact_as_they_are_worth(self):
        self.assertEqual([number(value) for value in (0.5, 123.45, 12345.6, 2_000_000)],
                         ["0.50", "123.5", "12,346", "2,000,000"])


class Commands(unittest.TestCase):
    def test_a_command_that_fails_ends_the_benchmarks(self):
        with self.assertRaisesRegex(SystemExit, "ended with 3"):
            timed(["sh", "-c", "exit 3"])

    def test_a_command_may_be_wanted_to_end_otherwise(self):
        self.assertEqual(timed(["sh", "-c", "echo differ; exit 3"], ends_with=3).output, "differ\n")
        with self.assertRaisesRegex(SystemExit, "ended with 0"):
            timed(["true"], ends_with=3)

    def test_a_writer_that_dies_early_is_no_fast_writer(self):
        with self.assertRaisesRegex(SystemExit, "ended with 3"):
            timed_pipe(["sh", "-c", "echo a row; exit 3"], ["cat"])

    def test_a_pipe_passes_words_as_they_are(self):
        self.assertGreater(timed_pipe(["printf", "%s", "a b|$c"], ["grep", "-qxF", "a b|$c"]).seconds, 0)

    def test_jobs_that_were_not_done_do_not_count_as_speed(self):
        self.assertEqual(checked_speed("x", '{"seconds": 2, "completed": 10}', 10), 5)
        with self.assertRaisesRegex(SystemExit, "9 of 10"):
            checked_speed("x", '{"seconds": 2, "completed": 9}', 10)


class Queues(unittest.TestCase):
    SPEEDS = {"syncflow on sqlite": 600.0, "syncflow on postgresql": 100.0, "graphile-worker": 200.0, "pg-boss": 50.0,
              "pg-boss in batches": 900.0}

    def test_each_store_is_held_against_each_peer(self):
        figures = {figure.name: figure for figure in compared(24, ("sqlite", "postgresql"), self.SPEEDS)}
        self.assertEqual({name: figure.value for name, figure in figures.items()},
                         {"jobs-sqlite-24": 600, "jobs-sqlite-24-ratio-graphile-worker": 3, "jobs-sqlite-24-ratio-pg-boss": 12,
                          "jobs-postgresql-24": 100, "jobs-postgresql-24-ratio-graphile-worker": 0.5,
                          "jobs-postgresql-24-ratio-pg-boss": 2})
        self.assertTrue(figures["jobs-sqlite-24-ratio-graphile-worker"].met)
        self.assertFalse(figures["jobs-postgresql-24-ratio-graphile-worker"].met)
        self.assertEqual(figures["jobs-sqlite-24"].details["pg-boss in batches (jobs/s)"], 900)

    def test_only_the_busiest_has_goals(self):
        self.assertEqual({figure.met for figure in compared(4, ("sqlite",), self.SPEEDS)}, {None})

    def test_without_peers_there_is_the_speed_alone(self):
        self.assertEqual([figure.name for figure in compared(1, ("sqlite",), {"syncflow on sqlite": 5.0})], ["jobs-sqlite-1"])


class Rows(unittest.TestCase):
    def test_each_row_is_made_from_its_number(self):
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
            rows = accounts.rows_file(folder, 86_401).read_text().splitlines()
        self.assertEqual(len(rows), 86_401)
        first, last = rows[0].split("\t"), rows[-1].split("\t")
        self.assertEqual((first[0], first[1], first[4]), ("1", "1", "2024-01-01 00:00:01"))
        self.assertEqual((last[0], last[4]), ("86401", "2024-01-02 00:00:01"))
        self.assertEqual({len(row.split("\t")[3]) for row in rows}, {84})


if __name__ == "__main__":
    unittest.main()
