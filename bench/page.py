"""docs/benchmarks.md from bench/results: tables, and plots beside it.

.venv/bin/python -m bench.page
"""

import json
from collections.abc import Mapping
from typing import Any

from bench import plot
from bench.markdown import table
from bench.results import FOLDER, ROOT

PAGE = ROOT / "docs" / "benchmarks.md"
PLOTS = ROOT / "docs" / "benchmarks"

HEAD = """# Benchmarks

What the last runs of `make bench` found; this page is made from `bench/results` (`python -m bench.page`). Everything runs on one machine: RENO's processes, nats-server and the load
generators share its cores. CPU is from the kernel's accounts; it is the figure that holds between machines, wall-clock rates are this machine's. Delays are counted from when an event was
due, whether the generator could send it then or not. [bench/README.md](../bench/README.md) says what each scenario does.
"""

Figures = Mapping[str, Any]


def main() -> None:
    """Writes the page and its plots."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
    PLOTS.mkdir(exist_ok=True)
    sections = [HEAD]
    for name, section in SECTIONS.items():
        if name in found:
            sections.append(f"## {name.capitalize()}\n\n{section(found[name]['figures'])}")
            sections.append(_footing(found[name]))
    PAGE.write_text("\n\n".join(part.strip() for part in sections) + "\n")


def _footing(result: Figures) -> str:
    machine, load = result["machine"], result["load_before"]
    parameters = ", ".join(f"{name} {value}" for name, value in result["parameters"].items())
    versions = ", ".join(f"{name} {value}" for name, value in result["versions"].items())
    return (
        f"<details><summary>How</summary>\n\n`{result['command']}` at {result['when']}, commit `{result['commit'][:12]}`, load average before {load[0]}. "
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_gb']} GB, Linux {machine['kernel']}. {versions}. Parameters: {parameters}.\n\n</details>"
    )


def _plot(name: str, svg: str) -> str:
    (PLOTS / f"{name}.svg").write_text(svg)
    return f"![{name}](benchmarks/{name}.svg)"


def _own(cpu: Figures) -> dict[str, float]:
    """Without generators and the sum."""
    return {k: v for k, v in cpu.items() if k != "all" and not k.startswith("load")}


def _ms(delays: Figures) -> list[str]:
    return [f"{delays[key]:.1f}" if delays else "-" for key in ("p50_ms", "p99_ms", "p999_ms")]


def peak(figures: Figures) -> str:
    """Rates, CPU by role, backlog."""
    rates, pushes = figures["events_per_s"], figures["pushes"]
    rows = [
        ["events/s offered, accepted, processed", " · ".join(f"{rate:,}" for rate in rates.values())],
        ["CPU µs an event, all roles (the generator)", f"{figures['cpu_us_per_event']['all']} ({figures['cpu_us_per_event']['load']})"],
        ["events an envelope", f"{figures['events_per_envelope']}"],
        ["pushes expected, seen", f"{pushes['expected']:,} · {pushes['seen']:,}"],
        ["seconds behind at the end", f"{figures['behind_s']}"],
    ]  # fmt: skip
    rows += [
        [f"{lane}: due to device, ms, p50 · p99 · p99.9", " · ".join(_ms(delays))]
        for lane, delays in pushes["delays"].items()
    ]
    cpu = plot.stacked("CPU of an event", "µs", {"peak": _own(figures["cpu_us_per_event"])})
    backlog = {"backlog": [(each["s"], each["mb"]) for each in figures["backlog"]]}
    grown = plot.curves("Not processed yet", ("s", "MB in the log"), backlog)
    return "\n\n".join(
        [table(["", ""], rows), _plot("peak-cpu", cpu), _plot("peak-backlog", grown)]
    )


def push(figures: Figures) -> str:
    """CPU of a push by way to connect."""
    rows = []
    for name, each in figures.items():
        cpu = each["cpu_us_per_push"]
        delays = each.get("pushes", {}).get("delays", {}).get("high", {})
        gateway = cpu.get("gateway", cpu.get("gateway-1", 0.0))
        rows.append(
            [name, f"{each['pushes_per_s']:,}", f"{gateway}", f"{cpu.get('mesh', 0.0)}", f"{cpu['all']}", *_ms(delays)[:2]]
        )  # fmt: skip
    heads = ["", "pushes/s", "gateway µs", "Envoy µs", "all µs", "p50 ms", "p99 ms"]
    bars = {name: _own(each["cpu_us_per_push"]) for name, each in figures.items()}
    return (
        table(heads, rows) + "\n\n" + _plot("push-cpu", plot.stacked("CPU of a push", "µs", bars))
    )


def unary(figures: Figures) -> str:
    """One event a call."""
    rows = [
        [name, f"{each['calls_per_s']:,}", f"{each['cpu_us_per_call']['ingestion']}", f"{each['cpu_us_per_call']['all']}", *_ms(each["answer_ms"])]
        for name, each in figures.items()
    ]  # fmt: skip
    heads = ["", "calls/s", "the door's CPU µs a call", "all µs", "answered p50 ms", "p99", "p99.9"]
    return table(heads, rows)


def burst(figures: Figures) -> str:
    """Until the last device has its own."""
    rows = [
        [str(n), str(each["seen"]), f"{each['accepted_ms']['max_ms']:.0f}", *_ms(each["delivered_ms"])[:2], f"{each['delivered_ms'].get('max_ms', 0):.0f}"]
        for n, each in enumerate(figures["bursts"], 1)
    ]  # fmt: skip
    heads = ["burst", "devices told", "all accepted, ms", "p50", "p99", "last device, ms"]
    return f"Last device, median of all bursts but the first: {figures['last_device_ms']:.0f} ms.\n\n{table(heads, rows)}"


def latency(figures: Figures) -> str:
    """Beside the workload, beside the flood."""
    rows = [
        [f"workload at {share}", f"{each['events_per_s']:,}", *_ms(each["accepted_ms"])[:2], *_ms(each["delivered_ms"])]
        for share, each in figures["beside_the_workload"].items()
    ]  # fmt: skip
    flood = figures["flood"]
    for number, turn in enumerate(flood["turns"], 1):
        for which in ("quiet", "flooded"):
            each = turn[which]
            rows.append(
                [f"low lane made small, {which}, turn {number}", "", *_ms(each["accepted_ms"])[:2], *_ms(each["delivered_ms"])]
            )  # fmt: skip
    heads = ["", "events/s beside", "accepted p50", "p99", "delivered p50", "p99", "p99.9"]
    return (
        f"High priority, ms, from when an event was due. Capacity {figures['capacity_per_s']:,} events/s; the flooded low lane carries {flood['low_carries_per_s']:,}; "
        f"p99 flooded to quiet: {flood['p99_ratio']}.\n\n{table(heads, rows)}"
    )


def connections(figures: Figures) -> str:
    """A column a way to connect."""
    rows = [
        [
            name,
            f"{each['streams']:,}",
            f"{each['opened_per_s']:,}",
            f"{each['bytes_per_stream']['gateway']:,}",
            f"{each['bytes_per_stream']['presence']:,}",
            f"{each['cores_per_10k_streams']['gateway']}",
            "; ".join(each["stopped_by"]) or "-",
        ]
        for name, each in figures.items()
    ]
    heads = ["", "streams held", "opened/s", "gateway, B a stream", "presence, B", "gateway, cores a 10,000", "stopped by"]  # fmt: skip
    return table(heads, rows)


def pull(figures: Figures) -> str:
    """Alone and beside the peak."""
    rows = [
        [name.replace("_", " "), f"{each['pulls_per_s']:,}", *_ms(each["answer_ms"]), f"{each['cpu_us_per_pull']['gateway']}", f"{each.get('beside_per_s', 0):,}"]
        for name, each in figures.items()
    ]  # fmt: skip
    heads = ["", "pulls/s", "p50 ms", "p99", "p99.9", "gateway µs a pull", "events/s beside"]
    return table(heads, rows)


def recovery(figures: Figures) -> str:
    """Who was back when."""
    rows = [
        [way, str(each["devices"]), " · ".join(str(s) for s in each["current_s"].values()), *(_ms(each[when]["delivered_ms"])[1] for when in ("neighbours_before", "neighbours_meanwhile"))]
        for way, each in figures.items()
        if "current_s" in each
    ]  # fmt: skip
    heads = ["", "devices", "current again, s: 50 % · 99 % · all", "neighbours' p99 before, ms", "meanwhile"]  # fmt: skip
    killed = figures["processor killed"]
    return (
        f"{table(heads, rows)}\n\nLow's processor killed under load: started again after {killed['started_again_s']} s, backlog as before after {killed['recovered_s']} s; "
        f"{killed['uncertain']} events uncertain."
    )


def slow(figures: Figures) -> str:
    """What others noticed."""
    rows = [
        [name.replace("_", " "), *_ms(figures[name]["delivered_ms"])]
        for name in ("before", "while_they_stall")
    ]
    ends = ", ".join(
        f"{count} {reason}" for reason, count in figures["stalled_streams_ended"].items()
    )
    heads = ["devices that read", "p50 ms", "p99", "p99.9"]
    return f"{table(heads, rows)}\n\nStreams that stood still and were ended: {ends or 'none'}. Gateway: {figures['gateway_mb']} MB."


def growth(figures: Figures) -> str:
    """Cost by rows and streams, memory over time."""
    by = figures["by_rows"] | figures["by_streams"]
    bars = {name: _own(each["cpu_us_per_event"]) for name, each in by.items()}
    memory = figures["steady"]["memory_mb"]
    names = [name for name in memory[-1] if name != "s"]
    lines = {name: [(each["s"], each.get(name, 0.0)) for each in memory] for name in names}
    grown = [[name, f"{mb:+g}"] for name, mb in figures["memory_grown_mb"].items()]
    return "\n\n".join(
        [
            _plot("growth-cpu", plot.stacked("CPU of an event", "µs", bars)),
            _plot("growth-memory", plot.curves("Memory", ("s", "MB"), lines)),
            table(["process", "MB from the second to the last fifth"], grown),
        ]
    )


SECTIONS = {
    "peak": peak,
    "push": push,
    "unary": unary,
    "burst": burst,
    "latency": latency,
    "connections": connections,
    "pull": pull,
    "recovery": recovery,
    "slow": slow,
    "growth": growth,
}

if __name__ == "__main__":
    main()
