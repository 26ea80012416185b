"""A PostgreSQL cluster for one test run, which is created and deleted."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
from processes import free_port

if TYPE_CHECKING:
    from types import TracebackType

# Debian does not put a version's programs on the path.
DEBIAN = "/usr/lib/postgresql"
OWNER = "postgres"
LIMIT_S = 60


def programs() -> Path | None:
    """Return the folder of PostgreSQL's programs; None if it is not installed."""
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    found = sorted(Path(DEBIAN).glob("*/bin/initdb"))
    return found[-1].parent if found else None


class Cluster:
    """
    A cluster on loopback, with MLflow's database, that is stopped at the end of the block.

    Args:
        home: The folder of PostgreSQL's programs.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._port = free_port()
        # Not in the tests' own folder, which no other user can read.
        self._folder = Path(tempfile.mkdtemp(prefix="scale-"))
        # PostgreSQL does not run as root.
        other = {"user": OWNER, "group": OWNER, "extra_groups": []}
        self._as: dict[str, Any] = other if os.geteuid() == 0 else {}

    def __enter__(self) -> Cluster:
        if self._as:
            shutil.chown(self._folder, OWNER, OWNER)
        data = str(self._folder / "data")
        self._run("initdb", "--auth=trust", f"--username={OWNER}", "--encoding=UTF8", "-D", data)
        here = f"-c listen_addresses=127.0.0.1 -p {self._port} -k {self._folder}"
        log = str(self._folder / "log")
        self._run("pg_ctl", "start", "--wait", "-D", data, "-l", log, "-o", here)
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", OWNER, "mlflow")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run("pg_ctl", "stop", "--mode=fast", "-D", str(self._folder / "data"))
        shutil.rmtree(self._folder)

    @property
    def uri(self) -> str:
        """The address of the database, for MLflow's server."""
        # Without a driver, SQLAlchemy uses psycopg, which is another package.
        return f"postgresql+psycopg2://{OWNER}@127.0.0.1:{self._port}/mlflow"

    def ask(self, query: str, *values: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        connection = psycopg2.connect(
            host="127.0.0.1", port=self._port, user=OWNER, dbname="mlflow"
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, values)
                return cursor.fetchall()
        finally:
            connection.close()

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(self._home / program), *arguments],
            cwd=self._folder,
            check=True,
            # The server that pg_ctl starts keeps these files open.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=LIMIT_S,
            **self._as,
        )
