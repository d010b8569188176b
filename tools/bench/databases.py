"""The servers of the run, spoken to by their own command-line clients, in databases of the benchmarks' own."""

import hashlib
import pathlib
import re
import subprocess
import urllib.parse

from measure import fail


def checked(command, environment=None, text=None):
    """The standard output of a command that must succeed."""
    done = subprocess.run(command, input=text, text=True, capture_output=True, env=environment, check=False)
    if done.returncode != 0:
        fail(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def digest(command, environment=None):
    """SHA-256 over what a command prints: rows in one order and one form are the same rows."""
    total = hashlib.sha256()
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        for block in iter(lambda: process.stdout.read(1 << 20), b""):
            total.update(block)
    if process.returncode != 0:
        fail(f"{command[0]} ended with {process.returncode}")
    return total.hexdigest()


class PostgreSQL:
    name = "PostgreSQL"
    provider = "postgresql"

    def __init__(self, url, log_file):
        self.url = urllib.parse.urlsplit(url)
        self.log_file = pathlib.Path(log_file)

    def database_url(self, database):
        return self.url._replace(path="/" + database).geturl()

    def psql(self, database, *options):
        return ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", *options, self.database_url(database)]

    def sql(self, database, text):
        checked(self.psql(database), text=text)

    def value(self, database, query):
        return checked(self.psql(database, "-At", "-c", query)).strip()

    def fresh(self, database):
        self.sql("postgres", f"DROP DATABASE IF EXISTS {database} WITH (FORCE);\nCREATE DATABASE {database};")

    def connection(self, database):
        return {"provider": "postgresql", "url": self.database_url(database)}

    def digest(self, database, query):
        return digest(self.psql(database, "-c", f"SET timezone = 'UTC'; COPY ({query}) TO STDOUT"))

    def count_statements(self, database):
        """From now on, of sessions that begin after this."""
        self.sql("postgres", f"ALTER DATABASE {database} SET log_statement = 'all';")

    def statements(self, _database):
        """How many were counted since the server was started."""
        return len(re.findall(rb"LOG:  (?:statement|execute [^:]+): ", self.log_file.read_bytes()))

    def set_durable(self, durable):
        """The servers of the tests trade durability for speed; where the disk counts, it is given back."""
        word = "on" if durable else "off"
        self.sql("postgres", f"ALTER SYSTEM SET fsync = {word};\nALTER SYSTEM SET full_page_writes = {word};\n"
                             "SELECT pg_reload_conf();\nCHECKPOINT;")


class MySQL:
    """MySQL or MariaDB."""

    provider = "mysql"

    def __init__(self, name, url):
        self.name = name
        self.url = urllib.parse.urlsplit(url)
        self.environment = {"MYSQL_PWD": self.url.password, "PATH": "/usr/bin:/bin"}

    def client(self, database, *options):
        return ["mariadb", "--no-defaults", "--protocol=tcp", "-h", self.url.hostname, "-P", str(self.url.port), "-u",
                self.url.username, "--default-character-set=utf8mb4", "--init-command=SET time_zone = '+00:00'", *options, database]

    def sql(self, database, text):
        checked(self.client(database), self.environment, text)

    def value(self, database, query):
        return checked(self.client(database, "-N", "-B", "-e", query), self.environment).strip()

    def fresh(self, database):
        self.sql("", f"DROP DATABASE IF EXISTS {database}; CREATE DATABASE {database} CHARACTER SET utf8mb4;")

    def database_url(self, database):
        return self.url._replace(path="/" + database).geturl()

    def connection(self, database):
        return {"provider": "mysql", "url": self.database_url(database), "timezone": "UTC"}

    def digest(self, database, query):
        return digest(self.client(database, "--quick", "-N", "-B", "-e", query), self.environment)

    def count_statements(self, _database):
        """The server always counts."""

    def statements(self, _database):
        """The question itself, and those that connect for it, are left out by who takes differences of two."""
        return int(self.value("", "SHOW GLOBAL STATUS LIKE 'Questions'").split("\t")[1])


class SQLite:
    name = "SQLite"
    provider = "sqlite"

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def file(self, database):
        return str(self.folder / f"{database}.db")

    def sql(self, database, text):
        checked(["sqlite3", "-bail", "-batch", self.file(database)], text=text)

    def value(self, database, query):
        return checked(["sqlite3", "-batch", self.file(database), query]).strip()

    def fresh(self, database):
        for ending in ("", "-wal", "-shm", "-journal"):
            pathlib.Path(self.file(database) + ending).unlink(missing_ok=True)
        self.sql(database, "PRAGMA journal_mode = WAL;")

    def connection(self, database):
        return {"provider": "sqlite", "path": self.file(database)}

    def digest(self, database, query):
        return digest(["sqlite3", "-batch", "-separator", "\t", self.file(database), query])
