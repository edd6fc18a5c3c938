"""The checker finds nothing in good histories, and in each bad one what is wrong with it, by its name."""

from pathlib import Path

import pytest

from tests.faults.checker import Broken, check

NOW = 1_800_000_000_000
RUN = """
type t.high 1 60000 86400000
type t.low 3 60000 86400000
type t.short 3 1000 1000
slack 5000
"""


def sent(number: int, **changes: object) -> str:
    """Event e<number> of anna, accepted at second <number>, position 100 times that."""
    at = {
        "kind": "A", "id": f"e{number}", "member": "anna", "type": "t.high", "aim": "-",
        "scope": "-", "end": f"{number * 100} 2", **changes,
    }  # fmt: skip
    second = number * 1000
    return (
        f"{at['kind']} {NOW + second} {second} {at['id']} {at['member']} {at['type']} {at['aim']}"
        f" {at['scope']} {NOW + second} {at['end']}"
    )


def frame(second: float, *rows: str, cursor: int = 0, flags: str = "-", gap: str = "") -> str:
    ms = int(second * 1000)
    lines = [f"F {NOW + ms} {ms} {NOW + ms} {cursor} 0 0 {flags}", *([f"G {gap}"] if gap else [])]
    return "\n".join((*lines, *rows))


def got(number: int, via: str = "P", lane: int = 1, merged: int = 0, at: int = 0) -> str:
    return f"{via} e{number} {lane} {at or number * 100} {merged}"


KEPT = f"K {NOW} 0"
START = f"O {NOW} 0 start gateway-0"
LATEST = f"O {NOW} 0 latest gateway-0"
ACKNOWLEDGED = f"O {NOW} 0 ack gateway-0"
RESUMED = f"O {NOW} 0 cursor gateway-0"
ENDED = f"X {NOW} 0 UNAVAILABLE"
SENT = (sent(1), sent(2), sent(3))
ALL = (START, frame(3, got(1), got(2), got(3), cursor=300, flags="c"), KEPT)

AHEAD = f"F {NOW + 30_000} 30000 {NOW + 3_602_000} 0 0 0 c"
"""Current, by a clock that is an hour ahead; when it was sent, nobody can say."""

Logs = dict[str, tuple[str, ...]]


def broken(directory: Path, logs: Logs) -> set[str]:
    """Keys: b for the publisher, else READER=MEMBER/DEVICE/CLASS, run for more of run.log."""
    more = logs.get("run", ())
    (directory / "run.log").write_text(RUN.strip() + "\n" + "".join(f"{x}\n" for x in more))
    for name, lines in logs.items():
        if name.startswith("b"):
            text = lines
            path = directory / f"publish-{name}.log"
        elif name != "run":
            log, _, who = name.partition("=")
            text = (f"H {' '.join((who or 'anna/tv/tv').split('/'))}", *lines)
            path = directory / f"read-{log}.log"
        else:
            continue
        path.write_text("".join(f"{line}\n" for line in text))
    return set(check(directory).broken)


GOOD: dict[str, Logs] = {
    "all seen": {"b": SENT, "tv": ALL},
    "nothing": {"b": (), "tv": (START,)},
    "a receipt that names no place": {
        "b": (sent(1, end="0 2"), *SENT[1:]), "tv": ALL,
    },
    "repeated before the cursor was kept": {
        "b": SENT,
        "tv": (
            START, frame(1, got(1), cursor=100), KEPT, frame(2, got(2), cursor=200), ENDED,
            RESUMED, frame(3, got(2), got(3), cursor=300), KEPT,
        ),
    },
    "everything again after a start afresh": {"b": SENT, "tv": (*ALL, START, *ALL[1:])},
    "everything again after FUTURE": {
        "b": SENT,
        "run": ("may FUTURE",),
        "tv": (*ALL, RESUMED, frame(4, got(1), got(2), got(3), cursor=300, gap="FUTURE 123 0")),
    },
    "current by a clock that was ahead, and read much later": {
        "b": SENT,
        "phone=anna/phone/phone": ALL,
        "tv": (START, frame(2), AHEAD, frame(30, got(1), got(2), got(3), cursor=300)),
    },
    "an uncertain one, seen": {
        "b": (sent(1), sent(2, kind="U", end="UNCERTAIN"), sent(3)),
        "tv": ALL,
    },
    "an uncertain one, not seen": {
        "b": (sent(1), sent(2, kind="U", end="UNCERTAIN"), sent(3)),
        "tv": (START, frame(3, got(1), got(3), cursor=300)),
    },
    "accepted by the second try": {
        "b": (sent(1), sent(2), sent(3, kind="U", end="DEADLINE"), sent(3, end="900 0")),
        "tv": ALL,
    },
    "sent twice: the first counts": {"b": (*SENT, sent(2, end="400 0")), "tv": ALL},
    "refused, not seen": {"b": (*SENT, sent(4, kind="R", end="STALE")), "tv": ALL},
    "for somebody else": {"b": (*SENT, sent(4, aim="c=phone"), sent(5, aim="o=tv")), "tv": ALL},
    "for the device and its class": {
        "b": (sent(1, aim="c=tv"), sent(2, aim="d=tv"), sent(3, aim="o=phone")),
        "tv": ALL,
    },
    "late, and said so": {"b": SENT, "tv": (START, frame(90, *(got(n, "C") for n in (1, 2, 3))))},
    "pulled late": {"b": SENT, "tv": (START, frame(90, *(got(n, "L") for n in (1, 2, 3))))},
    "expired before it could be seen": {
        "b": (*SENT, sent(4, type="t.short")),
        "tv": (*ALL, frame(9, cursor=300)),
    },
    "merged": {
        "b": (sent(1, scope="s"), sent(2, scope="s"), sent(3, scope="s")),
        "tv": (START, frame(3, got(1), got(3, merged=1), cursor=300)),
    },
    "merged with one that was seen": {
        "b": (sent(1, scope="s"), sent(2, scope="s"), sent(3, scope="s")),
        "tv": (
            START, frame(2, got(1), cursor=100), ENDED, START,
            frame(3, got(3, merged=2), cursor=300),
        ),
    },
    "merged ahead of a page's end": {
        "b": (sent(1, scope="s"), sent(2), sent(3, scope="s")),
        "tv": (START, frame(3, got(2, "L"), cursor=200), frame(3, got(3, "L"), cursor=300)),
    },
    "merged unseen, where a try without an answer had put it": {
        "b": (
            sent(1, scope="s", kind="U", end="DEADLINE"),
            sent(2, scope="s", end="200 2"),
            sent(1, scope="s", end="250 0"),
            sent(3, scope="s"),
        ),
        "tv": (START, frame(2, got(2, merged=1), cursor=200), frame(3, got(3), cursor=300)),
    },
    "merged into an uncertain one": {
        "b": (sent(1, scope="s"), sent(2, scope="s", kind="U", end="DEADLINE")),
        "tv": (START, frame(3, got(2, merged=1), cursor=200)),
    },
    "merged where a page left one out, gone on from what was acknowledged": {
        "b": (sent(1, scope="s"), sent(2), sent(3, scope="s")),
        "tv": (
            START, frame(2.5, got(2), cursor=200), KEPT, ENDED, ACKNOWLEDGED, frame(2.8, cursor=-1),
            frame(3, got(3), cursor=300),
        ),
    },
    "only the latest": {"b": SENT, "tv": (LATEST, frame(2.5, flags="c"), frame(3, got(3)))},
    "a lane that has not begun yet": {
        "b": SENT,
        "tv": (LATEST, frame(2, cursor=-2), KEPT, ENDED, RESUMED, frame(2.5, cursor=-2), frame(2.7, flags="c"), frame(3, got(3), cursor=300)),
    },
    "a gap that may be": {
        "b": SENT,
        "run": ("may OVERFLOW",),
        "tv": (START, frame(2, got(3), gap=f"OVERFLOW 1 {NOW + 2500}")),
    },
    "current, when nobody had seen more": {
        "b": SENT,
        "tv": (START, frame(2, got(1), got(2), flags="c"), frame(20, got(3))),
    },
    "current, while the newest is within the slack": {
        "b": SENT,
        "phone=anna/phone/phone": (START, frame(3, got(1), got(2), got(3))),
        "tv": (START, frame(4, got(1), got(2), flags="c"), frame(20, got(3))),
    },
}  # fmt: skip

BAD: dict[str, tuple[Broken, Logs]] = {
    "one is never seen": (Broken.LOST, {"b": SENT, "tv": (START, frame(3, got(1), got(3)))}),
    "the last is never seen": (Broken.LOST, {"b": SENT, "tv": (START, frame(3, got(1), got(2)))}),
    "one reader of two misses one": (
        Broken.LOST,
        {"b": SENT, "tv": ALL, "phone=anna/phone/phone": (START, frame(3, got(2), got(3)))},
    ),
    "one that was aimed is never seen": (
        Broken.LOST,
        {"b": (*SENT, sent(4, aim="d=tv")), "tv": ALL},
    ),
    "uncertain first, acknowledged then, never seen": (
        Broken.LOST,
        {"b": (*SENT, sent(4, kind="U", end="DEADLINE"), sent(4, end="400 0")), "tv": ALL},
    ),
    "after the latest was found one is missed": (
        Broken.LOST,
        {"b": SENT, "tv": (LATEST, frame(1.5, flags="c"), frame(3, got(3)))},
    ),
    "the newest of a scope is never seen": (
        Broken.LOST,
        {"b": (sent(1, scope="s"), sent(2, scope="s")), "tv": (START, frame(3, got(1)))},
    ),
    "a gap excuses only what came before it": (
        Broken.LOST,
        {
            "b": SENT,
            "run": ("may OVERFLOW",),
            "tv": (START, frame(2, got(1), gap=f"OVERFLOW 1 {NOW + 2500}")),
        },
    ),
    "lost with its log, and nothing said": (
        Broken.GAP_UNSAID,
        {"b": SENT, "run": ("may LOG_LOST",), "tv": (START, frame(3, got(1), got(3)))},
    ),
    "merged into nothing": (
        Broken.MERGED_AWAY,
        {
            "b": (sent(1, scope="s"), sent(2, scope="s")),
            "tv": (START, frame(3, got(2), cursor=200)),
        },
    ),
    "merged with fewer than are missing": (
        Broken.MERGED_AWAY,
        {
            "b": (sent(1, scope="s"), sent(2, scope="s"), sent(3, scope="s")),
            "tv": (START, frame(3, got(3, merged=1), cursor=300)),
        },
    ),
    "again after it was acknowledged": (
        Broken.REPEATED_AFTER_ACKNOWLEDGEMENT,
        {"b": SENT, "tv": (*ALL, ENDED, RESUMED, frame(4, got(3), cursor=300))},
    ),
    "again in the stream after its cursor": (
        Broken.REPEATED_AFTER_ACKNOWLEDGEMENT,
        {"b": SENT, "tv": (*ALL, frame(4, got(2), cursor=300))},
    ),
    "again in one stream": (
        Broken.REPEATED_IN_STREAM,
        {"b": SENT, "tv": (START, frame(3, got(1), got(1), got(2), got(3)))},
    ),
    "a duplicate is shown": (
        Broken.TWICE,
        {"b": (*SENT, sent(2, end="400 0")), "tv": (*ALL, frame(4, got(2, at=400), cursor=400))},
    ),
    "two devices see it in two places": (
        Broken.TWICE,
        {
            "b": (sent(1), sent(2), sent(2, end="400 0")),
            "tv": (START, frame(3, got(1), got(2))),
            "phone=anna/phone/phone": (START, frame(3, got(1), got(2, at=400))),
        },
    ),
    "not where its receipt says": (
        Broken.MOVED,
        {"b": SENT, "tv": (START, frame(3, got(1), got(2), got(3, at=350)))},
    ),
    "in another lane": (
        Broken.MOVED,
        {"b": SENT, "tv": (START, frame(3, got(1), got(2), got(3, lane=2)))},
    ),
    "an earlier one after a later one": (
        Broken.OUT_OF_ORDER,
        {"b": SENT, "tv": (START, frame(3, got(1), got(3), got(2)))},
    ),
    "an earlier one after the cursor passed it": (
        Broken.OUT_OF_ORDER,
        {
            "b": SENT,
            "tv": (
                START,
                frame(3, got(1), got(3), cursor=300),
                KEPT,
                RESUMED,
                frame(4, got(2), cursor=300),
            ),
        },
    ),
    "a caller's order turned": (
        Broken.CALLER_ORDER,
        {"b": (sent(1), sent(3), sent(2)), "tv": ALL},
    ),
    "pushed too late": (
        Broken.STALE_PUSH,
        {"b": SENT, "tv": (START, frame(61.5, got(1), got(2), got(3)))},
    ),
    "called late too soon": (
        Broken.LATE_TOO_SOON,
        {"b": SENT, "tv": (START, frame(3, got(1, "C"), got(2), got(3)))},
    ),
    "shown though it expired": (
        Broken.EXPIRED_SHOWN,
        {"b": (sent(1, type="t.short"),), "tv": (START, frame(3, got(1, "C", lane=3)))},
    ),
    "another member's": (
        Broken.FOREIGN,
        {"b": (*SENT, sent(4, member="boris")), "tv": (*ALL, frame(4, got(4), cursor=400))},
    ),
    "for another class": (
        Broken.NOT_TARGETED,
        {"b": (*SENT, sent(4, aim="c=phone")), "tv": (*ALL, frame(4, got(4), cursor=400))},
    ),
    "for another device": (
        Broken.NOT_TARGETED,
        {"b": (*SENT, sent(4, aim="d=phone")), "tv": (*ALL, frame(4, got(4), cursor=400))},
    ),
    "to the device that caused it": (
        Broken.NOT_TARGETED,
        {"b": (*SENT, sent(4, aim="o=tv")), "tv": (*ALL, frame(4, got(4), cursor=400))},
    ),
    "never published": (Broken.INVENTED, {"b": SENT, "tv": (*ALL, frame(4, got(9), cursor=900))}),
    "refused, and shown": (
        Broken.REFUSED_SHOWN,
        {"b": (*SENT, sent(4, kind="R", end="STALE")), "tv": (*ALL, frame(4, got(4), cursor=400))},
    ),
    "other bytes": (Broken.ALTERED, {"b": SENT, "tv": (*ALL[:2], "Z e2", KEPT)}),
    "another device's cursor": (
        Broken.CURSOR_FOREIGN,
        {"b": SENT, "tv": (*ALL, frame(4, cursor=300, flags="f"), KEPT)},
    ),
    "the cursor goes back": (
        Broken.CURSOR_BACKWARDS,
        {"b": SENT, "tv": (*ALL, frame(4, cursor=200))},
    ),
    "the cursor is behind the one that was given back": (
        Broken.CURSOR_BACKWARDS,
        {"b": SENT, "tv": (*ALL, ENDED, RESUMED, frame(4, cursor=100))},
    ),
    "a lane that had begun has not any more": (
        Broken.CURSOR_BACKWARDS,
        {"b": SENT, "tv": (*ALL, frame(4, cursor=-1))},
    ),
    "a gap where nothing was lost": (
        Broken.GAP_WITHOUT_CAUSE,
        {"b": SENT, "tv": (*ALL, frame(4, cursor=300, gap="LOG_LOST 1 0"))},
    ),
    "current without what others had long seen": (
        Broken.FALSE_CAUGHT_UP,
        {
            "b": SENT,
            "phone=anna/phone/phone": (START, frame(3, got(1), got(2), got(3))),
            "tv": (START, frame(20, got(1), got(2), flags="c"), frame(21, got(3))),
        },
    ),
    "current without them behind a frame that was fresh, by a clock that was ahead": (
        Broken.FALSE_CAUGHT_UP,
        {
            "b": SENT,
            "phone=anna/phone/phone": ALL,
            "tv": (START, frame(29), AHEAD, frame(30, got(1), got(2), got(3), cursor=300)),
        },
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_passes(tmp_path: Path, name: str) -> None:
    assert broken(tmp_path, GOOD[name]) == set()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_history_is_caught_under_its_name(tmp_path: Path, name: str) -> None:
    wrong, logs = BAD[name]
    assert broken(tmp_path, logs) == {wrong.value}


def test_every_error_has_a_bad_history() -> None:
    assert {wrong for wrong, _ in BAD.values()} == set(Broken)


def test_a_line_that_nobody_writes_is_no_history(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="what"):
        broken(tmp_path, {"b": SENT, "tv": ("what",)})
