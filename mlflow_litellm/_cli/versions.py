"""The installed versions: whether they are supported and tested, and fit together."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from typing import TYPE_CHECKING

from mlflow_litellm._cli.report import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MLFLOWS = ("mlflow", "mlflow-skinny", "mlflow-tracing")
# The first version that works, and the first version that is not tested.
SUPPORTED = {
    "litellm": ((1, 72), (2,)),
    "wrapt": ((1, 17), (3,)),
    **dict.fromkeys(MLFLOWS, ((3, 13), (4,))),
}
MALWARE = {"1.82.7", "1.82.8"}
# The versions that CI tests, oldest first.
TESTED = {
    "Python": ("3.10", "3.11", "3.12", "3.13", "3.14"),
    "litellm": (
        "1.72.0", "1.77.7", "1.83.14", "1.91.5", "1.98.1", "1.103.11", "1.108.7", "1.109.1",
        "1.110.2",
    ),
    "mlflow-tracing": ("3.13.0", "3.14.0", "3.15.2", "3.16.1", "3.17.2"),
    "wrapt": ("1.17.0", "1.17.3", "2.0.1", "2.5.2"),
}  # fmt: skip


def examine() -> Iterator[Finding]:
    """Yield the findings about the installed versions."""
    versions = {name: _version(name) for name in ("mlflow_litellm", "litellm", "wrapt", *MLFLOWS)}
    installed = {name: version for name, version in versions.items() if version}
    listed = ", ".join(f"{name} {version}" for name, version in installed.items())
    yield Finding("ok", f"Python {platform.python_version()}, {listed}")
    if "mlflow_litellm" not in installed:
        what = "mlflow_litellm is imported but not installed, so MLflow does not find it by itself"
        yield Finding(
            "note", what, "install it with pip from its folder, or import it in your program"
        )
    yield from out_of_range(installed)
    yield from overlaid(installed)
    yield tested({**installed, "Python": ".".join(platform.python_version_tuple()[:2])})


def has_newest_litellm() -> bool:
    """Return whether LiteLLM is as new as the newest tested version, or newer."""
    return _numbers(_version("litellm") or "") >= _numbers(TESTED["litellm"][-1])


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def out_of_range(installed: dict[str, str]) -> Iterator[Finding]:
    """Yield the versions that do not work, and those that are newer than all supported ones."""
    for name, (first, end) in SUPPORTED.items():
        version = installed.get(name, "")
        numbers = tuple(_numbers(version)[:2])
        wanted = f"pip install '{name}>={_dotted(first)},<{_dotted(end)}'"
        if name == "litellm" and version in MALWARE:
            what = f"litellm {version} carried malware that steals credentials"
            yield Finding("FAIL", what, "pip install -U litellm, and renew every secret it saw")
        elif version and numbers < first:
            yield Finding("FAIL", f"{name} {version} is older than {_dotted(first)}", wanted)
        elif numbers >= end:
            yield Finding("note", f"{name} {version} is newer than all supported versions", wanted)


def _dotted(version: Iterable[int]) -> str:
    return ".".join(map(str, version))


def overlaid(installed: dict[str, str]) -> Iterator[Finding]:
    """Yield a finding if packages of MLflow with the same files have different versions."""
    mlflows = {name: installed[name] for name in MLFLOWS if name in installed}
    if len(set(mlflows.values())) > 1:
        newest = max(mlflows.values(), key=_numbers)
        listed = " and ".join(f"{name} {version}" for name, version in mlflows.items())
        what = f"{listed} lay the same files over one another, in different versions"
        equal = " ".join(f"{name}=={newest}" for name in mlflows)
        yield Finding("FAIL", what, f"pip install --force-reinstall --no-deps {equal}")


def tested(installed: dict[str, str]) -> Finding:
    """Return whether this package was tested with the installed versions."""
    others = [
        f"{name} {installed[name]} ({_nearest(installed[name], versions)})"
        for name, versions in TESTED.items()
        if name in installed and installed[name] not in versions
    ]
    if not others:
        return Finding("ok", "this package was tested with these versions")
    what = f"this package was not tested with {', '.join(others)}"
    return Finding("note", what, "nothing, if a trace arrives: add --send")


def _nearest(version: str, versions: Iterable[str]) -> str:
    """Return the tested versions before and after a version, in words."""
    numbers = _numbers(version)
    before = [each for each in versions if _numbers(each) < numbers][-1:]
    after = [each for each in versions if _numbers(each) > numbers][:1]
    return f"but with {' and '.join(before + after)}"
