"""
Sessions: plain ``nox`` checks the code and runs the tests on one Python. ``nox -t ci`` adds what
CI checks beyond that, ``nox -t bench`` measures. Each session also runs by its name.

- plain: ``lint``, ``types``, ``unit`` (no LiteLLM, no server: seconds) and ``tests``.
- ci: ``pythons``, the tests of mechanisms on another Python; ``versions(oldest)``, the core with
  the oldest LiteLLM, MLflow and wrapt; ``differential``, programs untraced and traced;
  ``frameworks``; ``gateway``; ``installs``; ``readers``; ``docs``.
- bench: ``bench``, ``endurance``, ``scale`` and ``load``; each takes a quarter of an hour or more.
- by name: ``quick``, short forms of the measurements; ``today``, the core with the newest versions
  of today; ``coverage``; ``canary`` (pre-releases); ``comparison`` (other tracers); other
  ``pythons`` and ``versions``.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nox

if TYPE_CHECKING:
    from collections.abc import Sequence

# pip takes minutes to choose what fits a framework, uv seconds.
nox.options.default_venv_backend = "uv|venv"
# As pip does; uv has certificates of its own, which know of no company's proxy.
os.environ.setdefault("UV_SYSTEM_CERTS", "true")
# uv compiles nothing either, and hundreds of processes would compile MLflow anew, 4 seconds each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
nox.options.error_on_external_run = True
nox.options.reuse_existing_virtualenvs = True
# Those that allow it: ``tests`` keeps all processors busy, and what measures is to be alone.
nox.options.parallel = 2
# A Python that is not on the machine is reported as skipped, by CI as well.
nox.options.error_on_missing_interpreters = False


def add_pyenv() -> None:
    """Put all Pythons of pyenv on the path: its own commands run only the selected ones."""
    if shutil.which("pyenv"):
        root = subprocess.check_output(["pyenv", "root"], text=True).strip()
        folders = map(str, sorted(Path(root, "versions").glob("*/bin")))
        os.environ["PATH"] = os.pathsep.join([os.environ["PATH"], *folders])


def runs(version: str) -> bool:
    """Return whether the machine has a Python: the first one of its name may not run."""
    folders = os.environ["PATH"].split(os.pathsep)
    found = (shutil.which(f"python{version}", path=folder) for folder in folders)
    return any(python and not subprocess.call([python, "--version"], **QUIET) for python in found)


QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
PROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PROJECT)
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
add_pyenv()
HERE = [version for version in PYTHONS if version == OWN or runs(version)]
# All tests run on this Python, the core tests on the others.
MAIN = "3.11" if "3.11" in HERE else [OWN, *HERE][-1]
OTHERS = [version for version in PYTHONS if version != MAIN]
# CI runs the newest of them, which differs most from MAIN.
OTHER = max(OTHERS, key=lambda version: (version in HERE, OTHERS.index(version)))
nox.options.sessions = ["lint", "types", "unit", "tests"]
CI = ["ci"]
BENCH = ["bench"]
FRAMEWORKS = [
    group.removeprefix("framework-")
    for group in PROJECT["dependency-groups"]
    if group.startswith("framework-")
]


def install(
    session: nox.Session,
    extra: str,
    *groups: str,
    beside: Sequence[str] = (),
    constraints: str = "constraints",
) -> None:
    """
    Install the package, built as users get it; do nothing if nothing changed since the last time.

    Args:
        session: The session to install into.
        extra: The package's extra.
        groups: The dependency groups of the tools.
        beside: Further arguments for pip.
        constraints: The dependency group with the versions of LiteLLM, MLflow and wrapt; empty
            to take the newest.
    """
    session.run("python", "--version")
    groups = (*groups, constraints) if constraints else groups
    wanted = [f".[{extra}]", *nox.project.dependency_groups(PROJECT, *groups), *beside]
    stamp = Path(session.virtualenv.location, "installed.sha256")
    digest = digest_of(wanted)
    if stamp.exists() and stamp.read_text() == digest and constraints:
        session.log("Installed before, and unchanged.")
        return
    session.install("--quiet", *wanted)
    # Reinstalled alone, as its version stays the same between two builds.
    session.install("--quiet", "--force-reinstall", "--no-deps", ".")
    stamp.write_text(digest)


def digest_of(requirements: Sequence[str]) -> str:
    """Return a digest of the package's files and what is installed with them."""
    digest = hashlib.sha256("\n".join(requirements).encode())
    files = sorted(Path("mlflow_litellm").rglob("*.*"))
    for file in [Path("pyproject.toml"), *files]:
        if file.is_file() and file.suffix != ".pyc":
            digest.update(file.as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def pytest(session: nox.Session) -> str:
    """Return the command: "-m pytest" puts this folder first, and would test the checkout."""
    return str(Path(session.bin) / "pytest")


# One more than processors: there are tests that wait for processes.
WORKERS = str((os.cpu_count() or 1) + 1)


@nox.session(python=MAIN)
def unit(session: nox.Session) -> None:
    """Test what needs neither LiteLLM nor a server."""
    install(session, "mlflow", "tests")
    run_pytest(session, str(Path("tests", "unit")))


@nox.session(python=MAIN)
def tests(session: nox.Session) -> None:
    """Test the built and installed wheel."""
    install(session, "mlflow", "tests")
    run_pytest(session, "-n", WORKERS)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Do the same with branch coverage, which takes nearly twice as long."""
    install(session, "mlflow", "coverage")
    session.run("coverage", "erase")
    session.run("coverage", "run", pytest(session), "-n", WORKERS, *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report")


def run_pytest(session: nox.Session, *arguments: str, **options: Any) -> None:
    """Test what is installed, without the warnings of what it is tested with."""
    session.run(pytest(session), "--disable-warnings", *arguments, *session.posargs, **options)


@nox.session(allow_parallel=True, tags=CI)
def differential(session: nox.Session) -> None:
    """Run programs with tracing off and on, and compare all that they can see."""
    install(session, "mlflow", "tests")
    run_pytest(session, str(Path("tests", "differential")))


@nox.session(allow_parallel=True, tags=CI)
@nox.parametrize("name", FRAMEWORKS, ids=FRAMEWORKS)
def frameworks(session: nox.Session, name: str) -> None:
    """Test with one framework that calls LiteLLM."""
    install(session, "mlflow", "frameworks", f"framework-{name}")
    run_pytest(session, str(Path("tests", "frameworks", f"test_{name.replace('-', '_')}.py")))


GATEWAY = Path("tests", "gateway")
LOAD = GATEWAY / "test_load.py"
# LiteLLM's extra for the proxy requires packages that not every LiteLLM goes with.
PROXY = "constraints-proxy"
SIDE_BY_SIDE = ("-n", "2", "--dist", "loadfile")


@nox.session(allow_parallel=True, tags=CI)
def gateway(session: nox.Session) -> None:
    """Test with the LiteLLM Proxy."""
    install(session, "proxy", "gateway", constraints=PROXY)
    # The first test waits for the processes that all of them need.
    run_pytest(session, "--timeout=400", *SIDE_BY_SIDE, f"--ignore={LOAD}", str(GATEWAY))


@nox.session(tags=BENCH)
def load(session: nox.Session) -> None:
    """Compare what tracing costs the LiteLLM Proxy, and with its server gone or slow."""
    install(session, "proxy", "gateway", constraints=PROXY)
    run_pytest(session, "--timeout=400", str(LOAD))


# LiteLLM, MLflow and wrapt: the oldest that are supported, the newest, and some between.
VERSIONS = {
    "oldest": ("1.72.0", "3.13.0", "1.17.0"),
    "1.77": ("1.77.7", "3.13.0", "1.17.3"),
    "1.83": ("1.83.14", "3.14.0", "1.17.3"),
    "1.91": ("1.91.5", "3.15.2", "2.0.1"),
    "1.98": ("1.98.1", "3.16.1", "2.0.1"),
    "1.103": ("1.103.11", "3.17.2", "2.5.2"),
    "1.109": ("1.109.1", "3.17.2", "2.5.2"),
    "1.110": ("1.110.2", "3.17.2", "2.5.2"),
}


def files(*names: str) -> list[str]:
    """Return the paths of test files."""
    return [str(path) for name in names for path in Path("tests").glob(f"*/test_{name}.py")]


# Stacks, contexts, garbage and tracebacks, which differ between Pythons.
MECHANISMS = files(
    "calls", "nesting", "propagation", "stream_endings", "streams", "switch", "takeover",
)  # fmt: skip
# The package's behaviour with LiteLLM, MLflow and wrapt: not each payload.
CORE = [
    *MECHANISMS,
    *files(
        "attempts", "callbacks", "embedding", "every_target", "experiment", "messages", "privacy",
        "responses", "router", "router_kinds", "text_completion", "usage",
    ),
]  # fmt: skip


def install_beside(session: nox.Session, *versions: str) -> None:
    """Install other versions of what the package needs, beside the package and its tests."""
    # LiteLLM wants the certifi of its own day, which mirrors have later.
    overrides = Path(session.create_tmp(), "overrides.txt")
    overrides.write_text("certifi\n")
    beside = ("--override", str(overrides), *versions)
    install(session, "mlflow", "tests", beside=beside, constraints="")


def core(session: nox.Session, files: Sequence[str], **options: Any) -> None:
    """Run the unit tests and some others with what is installed, and print its versions."""
    session.run("uv", "pip", "list", "--quiet")
    run_pytest(session, "-n", "2", str(Path("tests", "unit")), *files, **options)


# uv would download a Python that is not here.
@nox.session(download_python="never")
@nox.parametrize(
    "python", [nox.param(each, id=each, tags=CI if each == OTHER else []) for each in OTHERS]
)
def pythons(session: nox.Session) -> None:
    """Test what depends on Python on another one than that of all tests."""
    install(session, "mlflow", "tests")
    core(session, MECHANISMS)


@nox.session(python=MAIN)
def today(session: nox.Session) -> None:
    """Test the core with the newest versions of today, and report failures without failing."""
    install(session, "mlflow", "tests", constraints="")
    pinned = nox.project.dependency_groups(PROJECT, "constraints")
    newest = session.run("uv", "pip", "freeze", "--quiet", silent=True).splitlines()
    if changed := sorted(set(pinned) - set(newest)):
        session.warn(f"Newer today than tested: {', '.join(changed)}.")
        core(session, CORE, success_codes=range(256))
    else:
        session.skip("The newest versions of today are the tested ones.")


@nox.session(allow_parallel=True)
@nox.parametrize(
    "name", [nox.param(each, id=each, tags=CI if each == "oldest" else []) for each in VERSIONS]
)
def versions(session: nox.Session, name: str) -> None:
    """Test the core with older and newer versions of LiteLLM, MLflow and wrapt."""
    litellm, mlflow, wrapt = VERSIONS[name]
    install_beside(session, f"litellm=={litellm}", f"mlflow=={mlflow}", f"wrapt=={wrapt}")
    core(session, CORE)


@nox.session(default=False)
def canary(session: nox.Session) -> None:
    """Test the core with what is about to be released."""
    # A pre-release in the requirement allows them, of these alone.
    install_beside(session, "--upgrade", "litellm>=1.72.dev0", "mlflow>=3.13.dev0",
                   "mlflow-skinny>=3.13.dev0", "mlflow-tracing>=3.13.dev0",
                   "wrapt>=1.17.dev0")  # fmt: skip
    core(session, CORE)


@nox.session(allow_parallel=True)
@nox.parametrize(
    "age", [nox.param("newest", id="newest", tags=CI), nox.param("oldest", id="oldest")]
)
def installs(session: nox.Session, age: str) -> None:
    """Test with mlflow-tracing alone, mlflow-skinny, and MLflow in full."""
    install(session, "mlflow", "installs")
    read = "from importlib.metadata import version; print(version('mlflow-tracing'))"
    version = session.run("python", "-c", read, silent=True).strip()
    beside = []
    if age == "oldest":
        litellm, version, wrapt = VERSIONS["oldest"]
        beside = [f"litellm=={litellm}", f"wrapt=={wrapt}"]
    folder = Path(session.create_tmp()).absolute()
    for name in ("tracing", "skinny", "full"):
        package = "mlflow" if name == "full" else f"mlflow-{name}"
        session.run("uv", "venv", "--quiet", "--clear", str(folder / name))
        session.run("uv", "pip", "install", "--quiet", "--python", str(folder / name), ".",
                    f"{package}=={version}", f"mlflow-tracing=={version}", *beside,
                    "opentelemetry-exporter-otlp-proto-http")  # fmt: skip
    session.env["ENVIRONMENTS"] = str(folder)
    run_pytest(session, "--timeout=200", str(Path("tests", "installs")))


@nox.session(allow_parallel=True, tags=CI)
def readers(session: nox.Session) -> None:
    """Test what a notebook and MLflow's UI show of traces."""
    install(session, "mlflow", "readers")
    run_pytest(session, "--timeout=200", *SIDE_BY_SIDE, str(Path("tests", "readers")))


@nox.session
def quick(session: nox.Session) -> None:
    """Check the budgets, the endurance and a store at scale, each by its quick form."""
    install(session, "mlflow", "bench", "scale")
    run_bench(session, "--quick")
    run_pytest(session, ENDURANCE, "--calls=500")
    session.env["SCALE_QUICK"] = "1"
    run_pytest(session, SCALE)


@nox.session(tags=BENCH)
def bench(session: nox.Session) -> None:
    """Measure what tracing costs, and write it into its page."""
    install(session, "mlflow", "bench")
    run_bench(session, *session.posargs)


def run_bench(session: nox.Session, *arguments: str) -> None:
    """Measure; fails where a budget is missed."""
    command = ("python", "-m", "bench", session.create_tmp(), *arguments)
    session.run(*command, env={"PYTHONPATH": TEST_MODULES})


# What the tests import, and what is run as a module.
TEST_MODULES = os.pathsep.join(["tests", str(Path("tests", "support"))])
ENDURANCE = str(Path("tests", "endurance"))
SCALE = str(Path("tests", "scale"))


@nox.session(tags=BENCH)
def endurance(session: nox.Session) -> None:
    """Make thousands of calls while tracing is switched on and off, and look at what is left."""
    install(session, "mlflow", "pytest")
    run_pytest(session, ENDURANCE)


@nox.session(tags=BENCH)
def scale(session: nox.Session) -> None:
    """Send more calls than a server on PostgreSQL takes, and count what arrives."""
    install(session, "mlflow", "scale")
    run_pytest(session, SCALE)


@nox.session(allow_parallel=True, tags=CI)
def docs(session: nox.Session) -> None:
    """Build the documentation; a link that leads nowhere is an error."""
    install(session, "mlflow", "docs")
    session.run("sphinx-build", "--nitpicky", "--fail-on-warning", "--keep-going", "--quiet",
                "docs", str(Path("build", "docs")))  # fmt: skip


@nox.session(default=False)
def comparison(session: nox.Session) -> None:
    """Trace the same calls by several tracers, and write what each records into its page."""
    session.install("--quiet", "uv", "httpx")
    command = ("python", "-m", "comparison", session.create_tmp(), *session.posargs)
    session.run(*command, env={"PYTHONPATH": TEST_MODULES})


@nox.session(allow_parallel=True)
def lint(session: nox.Session) -> None:
    """Check style, docstrings and formatting."""
    session.install("--quiet", *nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(allow_parallel=True)
def types(session: nox.Session) -> None:
    """Check the package's types strictly."""
    install(session, "mlflow", "types")
    session.run("mypy")
