"""Renders the measurements as tables and writes them into docs/performance.md."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from documents import ROOT, put_between, table

from bench.direct import CALLS
from bench.growth import FACTOR, GROWTHS
from bench.rounds import OF_CALLERS
from bench.scenarios import SCENARIOS
from bench.variants import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DOCS = ROOT / "docs"
PAGE = DOCS / "performance.md"
FIGURES = DOCS / "figures" / "bench.json"
# The scenarios and variants of the tables and the plot; a run measures more of both.
SHOWN = ("sync", "async_", "stream_20", "nested", "long", "at_once", "error")
EXPORTED = ("sync", "async_", "stream_20", "at_once")
COMPARED = ("nothing", "ours", "by_hand", "builtin", "openinference")
Told = dict[str, Any]


def needed(measured: Told) -> Told:
    """Return the figures of the page's tables and plots, out of all that was measured."""
    against, held, exporting = (
        measured["calls"][name] for name in ("against", "held", "exporting")
    )
    calls = {
        "against": _part(against, against, ("thread", "wall", "to_builtin", "rounds")),
        "held": _part(held, SHOWN, ("thread",)),
        "exporting": _part(exporting, EXPORTED, ("wall", "process")),
    }
    return {**measured, "calls": calls}


def _part(by_scenario: Mapping[str, Any], names: Iterable[str], figures: Iterable[str]) -> Told:
    return {
        name: {
            key: {each: by_key[key][each] for each in figures if each in by_key[key]}
            for key in COMPARED
            if key in by_key
        }
        for name in names
        if (by_key := by_scenario.get(name))
    }


def dump(told: Any, indent: str = "") -> str:
    """Return figures as JSON, with a line for each dict that contains no other."""
    if not isinstance(told, dict) or not any(isinstance(each, dict) for each in told.values()):
        return json.dumps(told)
    inner = f"{indent} "
    lines = [f"{inner}{json.dumps(key)}: {dump(each, inner)}" for key, each in told.items()]
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def write(told: Told) -> None:
    """Write each table between its marks."""
    for name, made in tables(told).items():
        put_between(*marks(name), made, PAGE)


def marks(name: str) -> tuple[str, str]:
    """Return the marks above and below a table."""
    return f"<!-- {name}, made by tests/bench -->", f"<!-- end of {name} -->"


def tables(told: Told) -> dict[str, str]:
    """Return the page's tables, by name."""
    return {**_tables_of_all(told), **_tables_of_budgets(told)}


def _tables_of_budgets(told: Told) -> dict[str, str]:
    return {
        "cost": cost(told),
        "machine": machine(told),
        "direct": direct(told["direct"]),
        "against": against(told["calls"]["against"]),
        "startup": startup(told["startup"], told.get("autolog")),
        "budgets": budgets(told["budgets"]),
    }


def _tables_of_all(told: Told) -> dict[str, str]:
    if "growth" not in told:
        return {}
    held, exporting = (told["calls"][name] for name in ("held", "exporting"))
    return {
        "calls": calls(held, "thread"),
        "exporting": calls(exporting, "wall"),
        "processor": calls(exporting, "process"),
        "growth": growth(told["growth"]),
    }


def machine(told: Told) -> str:
    """Return the description of the machine and the versions."""
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    return (
        f"Measured on {told['date']}: {versions}; Python {told['python']}, "
        f"{told['processors']} processors, {told['system']}. Seed {told['seed']}, "
        f"{told['minutes']:g} minutes."
    )


def cost(told: Told) -> str:
    """Return the time that tracing adds, for a reader who asks what it costs."""
    sync, async_ = (told["direct"][what] for what in CALLS)
    stream, startup = told["stream"], told["startup"]
    rows = [
        ["a call", sync["ours"]["added_us"], sync["by_hand"]["added_us"]],
        ["an async call", async_["ours"]["added_us"], async_["by_hand"]["added_us"]],
        ["each chunk of a stream", stream["chunk_us"]],
        ["the end of a stream of 1,000 chunks", stream["end_us"]],
        ["a call that is sampled out", sync["sampled_out"]["added_us"], sync["bare"]["added_us"]],
        [
            "a call while MLflow's tracing is disabled",
            sync["disabled"]["added_us"],
            sync["bare_disabled"]["added_us"],
        ],
        ["`import mlflow`, once", _in_us(startup["own_ms"])],
    ]
    if "autolog" in told:
        rows.append(["`autolog()`, once", _in_us(told["autolog"]["autolog_ms"])])
    body = [[title, *(_with_unit(each) for each in found)] for title, *found in rows]
    return table(["added to", "by this package", "by hand"], [[*row, ""][:3] for row in body])


def _in_us(told: Mapping[str, float]) -> dict[str, float]:
    return {key: told[key] * 1000 for key in ("value", "low", "high")}


def _with_unit(told_us: Mapping[str, float]) -> str:
    value = told_us["value"]
    factor, unit = (1000, "ms") if value >= 1000 else (1, "µs")
    places = 0 if value / factor >= 10 else 1
    value, low, high = (f"{told_us[key] / factor:.{places}f}" for key in ("value", "low", "high"))
    return f"{value} {unit} ({low} to {high})"


def direct(by_what: Mapping[str, Any]) -> str:
    """Return each variant's time beyond LiteLLM's part, and its ratio to the span by hand."""
    keys = [key for key in VARIANTS if key in next(iter(by_what.values()))]
    rows = [
        [title, *(cell(by_what[what][key]) for key in keys)]
        for what, title in CALLS.items()
        for title, cell in (
            (f"{title}, µs", lambda figures: _interval(figures["added_us"], 1)),
            (f"{title}, against by hand", lambda figures: _interval(figures["to_by_hand"], 2)),
        )
    ]
    return table(["", *(VARIANTS[key].title for key in keys)], rows)


def against(by_scenario: Mapping[str, Any]) -> str:
    """Return the times that this package and MLflow's flavor add, and the ratio, by two clocks."""
    keys = [key for key in VARIANTS if key in next(iter(by_scenario.values()))]
    rows = [
        [
            f"{SCENARIOS[name].title}, {by_key['ours']['rounds']} rounds, {title}",
            *(_interval(by_key[key][clock], 0) for key in keys),
            _interval(by_key["ours"]["to_builtin"][clock], 2),
        ]
        for name, by_key in by_scenario.items()
        for clock, title in OF_CALLERS.items()
    ]
    return table(["", *(VARIANTS[key].title for key in keys), "ratio"], rows)


def calls(by_scenario: Mapping[str, Any], clock: str) -> str:
    """Return each variant's added time per call, in µs; for `nothing`, the call's time."""
    return _by_variant(by_scenario, lambda figures: _interval(figures[clock], 0))


def _by_variant(by_scenario: Mapping[str, Any], cell: Callable[[Told], str]) -> str:
    there = {key for by_key in by_scenario.values() for key in by_key}
    keys = [key for key in VARIANTS if key in there]
    head = ["", *(VARIANTS[key].title for key in keys)]
    rows = [
        [SCENARIOS[name].title, *(cell(by_scenario[name][key]) for key in keys)]
        for name in SCENARIOS
        if name in by_scenario
    ]
    return table(head, rows)


def _interval(told: Mapping[str, float], places: int) -> str:
    value, low, high = (f"{told[key]:,.{places}f}" for key in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def growth(told: Told) -> str:
    """Return the quantities that grow, and their growth."""
    head = ["", "", "slope", "one more, in the middle", "one more, at the top", "factor"]
    rows = [
        [
            f"{GROWTHS[what].title}, {_range(found['added_us'])}",
            VARIANTS[key].title,
            f"{found['slope']:.2f}",
            f"{found['middle_us']:,.2f} µs",
            f"{found['top_us']:,.2f} µs",
            f"{_interval(found['factor'], 2)} of {FACTOR:g}",
        ]
        for what, by_key in told.items()
        for key, found in by_key.items()
    ]
    return table(head, rows)


def _range(by_size: Mapping[str, float]) -> str:
    sizes = [int(size) for size in by_size]
    return f"{min(sizes):,} to {max(sizes):,}"


def startup(told: Told, autolog: Told | None) -> str:
    """Return the time of an import and of ``autolog()``."""
    rows = [
        ["`import mlflow` without the package, ms of processor time", told["without_ms"]],
        ["with it", told["with_ms"]],
        ["difference", told["added_ms"]],
        ["the package's entry point alone", told["own_ms"]],
    ]
    if autolog:
        title = f"`mlflow.litellm.autolog()`, {autolog['modules']:,} modules loaded, ms"
        rows.append([title, autolog["autolog_ms"]])
    return table(["", "median (95 %)"], [[name, _interval(each, 2)] for name, each in rows])


def budgets(told: list[Told]) -> str:
    """Return each bound, and whether it is kept."""
    rows = [
        [
            each["what"],
            _interval(each, 2),
            f"{each['bound']:g} {each['unit']}",
            "ok" if each["ok"] else "**missed**",
        ]
        for each in told
    ]
    return table(["", "measured (95 %)", "at most", ""], rows)
