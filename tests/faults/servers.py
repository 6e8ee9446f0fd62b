"""The servers of a run, each from `with` to its end."""

import contextlib
import glob
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from .load import Client

ROOT = Path(__file__).resolve().parent.parent.parent
HANDSTAMP = os.environ.get("HANDSTAMP", "")
SETTINGS = {
    "SECRET_KEY": "a key of the faults, long enough and no other's",
    "PASSWORDLESS_LOGIN": "on",
    "SIGNUPS_PER_ADDRESS": "unlimited",
    "LOGIN_FAILURES_PER_ADDRESS": "unlimited",
    "FREE_READS_PER_ADDRESS": "unlimited",
    "TRUSTED_PROXIES": "127.0.0.1",
    "WEB_DIR": "no/such/folder",
}


def run(*command, **options):
    command = [str(part) for part in command]
    options = {"check": True, "stdout": subprocess.DEVNULL} | options
    return subprocess.run(command, **options)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_until(is_so, seconds=20):
    end = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(is_so)
        time.sleep(0.02)


@contextlib.contextmanager
def cleaned_up(made):
    """Leaves nothing of it behind when it could be made in part only."""
    try:
        yield
    except BaseException:
        made.__exit__()
        raise


class Node:
    """`handstamp serve` on a port of its own, or on a listener that it inherits."""

    def __init__(self, folder, url, listener=None, program=HANDSTAMP, **settings):
        self.listener, self.program = listener, program
        self.port = listener.getsockname()[1] if listener else free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.folder = Path(folder)
        self.environment = SETTINGS | settings
        self.environment |= {"DATABASE_URL": url, "PORT": str(self.port), "PATH": os.environ["PATH"]}
        self.process = None

    def start(self):
        with cleaned_up(self):
            return self.run()

    def run(self):
        command, options = [self.program, "serve"], {}
        if self.listener:
            # As systemd passes a socket on.
            script = 'exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" serve'
            command, options = ["/bin/sh", "-c", script, self.program], {"stdin": self.listener}
        self.log = open(self.folder / f"node-{self.port}.log", "ab")
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=self.log,
            **options,
        )
        first = self.process.stdout.readline()
        if not first.startswith(b"listening on"):
            raise RuntimeError(f"the server does not start: {first} {self.errors()}")
        return self

    __enter__ = start

    def __exit__(self, *_):
        if self.process:
            self.kill()

    def errors(self):
        """The end of its log."""
        return Path(self.log.name).read_text(errors="replace")[-500:]

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        """Stops it as a service manager does; returns its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def command(self, *arguments):
        run(self.program, *arguments, env=self.environment, cwd=self.folder)

    def is_ready(self):
        return Client(self.address).ask("GET", "/readyz").status == 200


class Postgres:
    """PostgreSQL on a Unix socket, or in a network namespace, with an address."""

    def __init__(self, folder, network=None):
        self.folder = Path(folder) / "postgres"
        self.network = network
        paths = glob.glob("/usr/lib/postgresql/*/bin/initdb")
        found = shutil.which("initdb") or max(
            paths, key=lambda path: int(re.search(r"postgresql/(\d+)", path)[1])
        )
        self.programs = Path(found).resolve().parent
        if network:
            self.url = f"postgres://postgres@{network.inside}/postgres"
        else:
            self.url = f"postgres://postgres@localhost/postgres?host={self.folder}"

    def __enter__(self):
        with cleaned_up(self):
            return self.make()

    def make(self):
        self.folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres")
        self.as_postgres(
            "initdb", f"--pgdata={self.folder}/data", "--username=postgres", "--auth=trust",
            "--encoding=UTF8", "--locale=C", "--no-sync",
        )
        if self.network:
            with open(self.folder / "data/pg_hba.conf", "a") as file:
                file.write(f"host all all {self.network.outside}/32 trust\n")
        self.start()
        return self

    def __exit__(self, *_):
        self.thaw()
        if (self.folder / "data/postmaster.pid").exists():
            self.control("stop", "--mode=immediate")

    def as_postgres(self, program, *arguments, **options):
        """PostgreSQL refuses to run as root."""
        command = [self.programs / program, *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        if self.network:
            command = ["ip", "netns", "exec", self.network.name, *command]
        return run(*command, cwd="/", **options)

    def control(self, command, *options):
        self.as_postgres("pg_ctl", command, f"--pgdata={self.folder}/data", "--wait", *options)

    def start(self):
        address = self.network.inside if self.network else ""
        self.control(
            "start",
            f"--log={self.folder}/log",
            f"--options=-c listen_addresses='{address}' -c unix_socket_directories='{self.folder}'"
            " -c max_connections=200",
        )

    def sql(self, text):
        self.as_postgres(
            "psql", f"--host={self.folder}", "--username=postgres", "--quiet", f"--command={text}"
        )

    def read(self, text):
        """What a query that returns one value returns."""
        said = self.as_postgres(
            "psql", f"--host={self.folder}", "--username=postgres", "--no-align", "--tuples-only",
            f"--command={text}", stdout=subprocess.PIPE, text=True,
        )
        return said.stdout.strip()

    def amcheck(self):
        """What pg_amcheck finds wrong, in every table and index."""
        said = self.as_postgres(
            "pg_amcheck", f"--host={self.folder}", "--username=postgres", "--install-missing",
            "--heapallindexed", "postgres",
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        return "" if said.returncode == 0 else f"pg_amcheck: {said.stdout[:300]}"

    def backends(self):
        """How many connections clients have."""
        kind = "backend_type = 'client backend' and pid <> pg_backend_pid()"
        return int(self.read(f"select count(*) from pg_stat_activity where {kind}"))

    def processes(self):
        main = int((self.folder / "data/postmaster.pid").read_text().split()[0])
        children = subprocess.run(["pgrep", "-P", str(main)], capture_output=True, text=True)
        return [main, *map(int, children.stdout.split())]

    def freeze(self):
        self.frozen = self.processes()
        for process in self.frozen:
            os.kill(process, signal.SIGSTOP)

    def thaw(self):
        for process in reversed(getattr(self, "frozen", [])):
            try:
                os.kill(process, signal.SIGCONT)
            except ProcessLookupError:
                pass


class Network:
    """A network namespace whose packets can be lost on their way, silently."""

    inside, outside = "10.213.7.2", "10.213.7.1"

    def __init__(self):
        self.name = f"faults{os.getpid()}"
        self.outer, self.inner = f"fo{os.getpid()}", f"fi{os.getpid()}"

    def __enter__(self):
        with cleaned_up(self):
            return self.make()

    def make(self):
        ip("netns", "add", self.name)
        ip("link", "add", self.outer, "type", "veth", "peer", "name", self.inner)
        ip("link", "set", self.inner, "netns", self.name)
        ip("addr", "add", f"{self.outside}/30", "dev", self.outer)
        ip("link", "set", self.outer, "up")
        self.within("addr", "add", f"{self.inside}/30", "dev", self.inner)
        self.within("link", "set", self.inner, "up")
        self.within("link", "set", "lo", "up")
        return self

    def __exit__(self, *_):
        # Its end of the pair of links goes with it, and the other end with that.
        ip("netns", "del", self.name)

    def within(self, *arguments):
        ip("-n", self.name, *arguments)

    def cut(self):
        """Has each side send to an address of the other's link that nobody has."""
        nobody = ("lladdr", "02:00:00:00:00:99", "nud", "permanent")
        ip("neigh", "replace", self.inside, *nobody, "dev", self.outer)
        self.within("neigh", "replace", self.outside, *nobody, "dev", self.inner)

    def mend(self):
        ip("neigh", "del", self.inside, "dev", self.outer)
        self.within("neigh", "del", self.outside, "dev", self.inner)


def ip(*arguments):
    run("ip", *arguments)


class Nginx:
    """nginx as `deploy/nginx.conf` configures it, in front of these nodes."""

    def __init__(self, folder, nodes):
        self.folder, self.nodes = Path(folder) / "nginx", nodes
        self.plain, self.port = free_port(), free_port()
        self.address = f"localhost:{self.port}"
        self.process = None

    def __enter__(self):
        with cleaned_up(self):
            return self.make()

    def make(self):
        self.folder.mkdir()
        run(
            "openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-subj", "/CN=localhost", "-keyout",
            self.folder / "key.pem", "-out", self.folder / "cert.pem", stderr=subprocess.DEVNULL,
        )
        site = (ROOT / "deploy/nginx.conf").read_text()
        for before, after in {
            "server 127.0.0.1:5000 fail_timeout=1s;": "".join(
                f"server {node.address} fail_timeout=1s;" for node in self.nodes
            ),
            "listen 80;": f"listen 127.0.0.1:{self.plain};",
            "listen [::]:80;": "",
            "listen 443 ": f"listen 127.0.0.1:{self.port} ",
            "listen [::]:443 ssl http2;": "",
            "/etc/ssl/app.example.pem": f"{self.folder}/cert.pem",
            "/etc/ssl/app.example.key": f"{self.folder}/key.pem",
        }.items():
            assert before in site, before
            site = site.replace(before, after)
        (self.folder / "site.conf").write_text(site)
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = "".join(
            f"{what}_temp_path {self.folder}/{what};"
            for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"{user} daemon off; pid {self.folder}/pid; worker_processes 1;"
            f"events {{ worker_connections 1024; }}"
            f"http {{ access_log off; {temporary} include site.conf; }}"
        )
        path = os.environ["PATH"] + ":/usr/sbin"
        self.process = subprocess.Popen(
            ["nginx", "-e", self.folder / "log", "-p", self.folder, "-c", self.folder / "nginx.conf"],
            env=os.environ | {"PATH": path},
        )
        wait_until(self.is_listening)
        return self

    def is_listening(self):
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def __exit__(self, *_):
        if self.process:
            self.process.terminate()
            self.process.wait()
