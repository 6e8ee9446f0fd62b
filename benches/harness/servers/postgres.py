"""A PostgreSQL in a throwaway folder, as Debian configures it but for what the run needs."""

import glob
import os
import re
import shutil
import subprocess
from pathlib import Path

from ..load import on_both_cores
from ..machine import FOLDER
from .disk import Disk

OPTIONS = {
    # No port: nothing to collide with, nothing open to others.
    "listen_addresses": "''",
    "max_connections": "200",
    # A checkpoint in the middle of a round would be somebody's bad luck.
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "log_destination": "jsonlog",
    "logging_collector": "on",
    "log_filename": "server.log",
    "client_min_messages": "warning",
}


def programs():
    """The folder of the server's programs, which Debian keeps out of PATH."""
    found = shutil.which("initdb")
    if not found:
        paths = glob.glob("/usr/lib/postgresql/*/bin/initdb")
        found = max(paths, key=lambda path: int(re.search(r"postgresql/(\d+)", path)[1]))
    return Path(found).resolve().parent


def as_postgres(*command, **options):
    """PostgreSQL refuses to run as root."""
    command = [str(part) for part in command]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    return subprocess.run(
        command,
        check=True,
        cwd="/",
        stdout=subprocess.DEVNULL,
        # Not on the load's alone.
        preexec_fn=on_both_cores,
        **options,
    )


class Postgres:
    """Runs from `with` to its end, on both cores."""

    def __init__(self):
        self.folder = FOLDER / "runs" / "postgres"

    def __enter__(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.disk = Disk(self.folder)
        data = self.folder / "data"
        as_postgres(
            programs() / "initdb",
            f"--pgdata={data}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        )
        options = OPTIONS | {"unix_socket_directories": f"'{self.folder}'"}
        options = " ".join(f"-c {name}={value}" for name, value in options.items())
        self.control("start", "--wait", f"--log={self.folder}/log", f"--options={options}")
        return self

    def __exit__(self, *_):
        self.control("stop", "--mode=immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def control(self, what, *arguments):
        data = self.folder / "data"
        command = [programs() / "pg_ctl", f"--pgdata={data}", "--silent", *arguments, what]
        as_postgres(*command, env=os.environ | self.disk.environment)

    def url(self, database, name=""):
        """`name` is what its connections are called in pg_stat_activity."""
        named = f"&application_name={name}" if name else ""
        return f"postgres://postgres@localhost/{database}?host={self.folder}{named}"

    def sql(self, database, text, *lines):
        """Runs statements; what `lines` give is the input of a `copy … from stdin`."""
        command = [
            str(programs() / "psql"),
            "--no-psqlrc",
            "--quiet",
            "--tuples-only",
            "--no-align",
        ]
        command += ["--set=ON_ERROR_STOP=1", f"--host={self.folder}", "--username=postgres"]
        command += [f"--dbname={database}", f"--command={text}"]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for some in lines:
            process.stdin.writelines(some)
        output, _ = process.communicate()
        if process.returncode:
            raise RuntimeError(f"psql failed with {text}")
        return output.strip()

    def create(self, database, template="template0"):
        """As a copy of another one, on the disk when it returns."""
        self.sql("postgres", f'drop database if exists "{database}" with (force)')
        text = f'create database "{database}" template "{template}" strategy file_copy'
        self.sql("postgres", text)
        self.sql("postgres", "checkpoint")

    def log(self):
        """The server's log, a JSON object a line."""
        return self.folder / "data" / "log" / "server.json"
