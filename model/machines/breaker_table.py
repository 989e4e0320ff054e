"""The breaker machine's rules, states and table; its actions are in breaker.py.

Rules:

1. One grant covers concurrency, rate and breaker; a shortage of concurrency or rate parks, first come first served.
2. Failures in a row, or a rate over the window, open it; it goes half-open by its own timer, whether or not anybody
   asks. Open time grows by the policy's factor until it closes.
3. Half-open never has more permits out than allowed; each success counts, any failure or lost permit opens it again;
   ignored and cancelled give the permit back without a verdict.
4. Every change of state is a new epoch; a report from an older one frees its share and changes nothing else.
5. A permit is settled exactly once; the answer says counted, stale or duplicate.
6. Set by hand it stays so: forced_open, disabled (verdicts are not counted), metrics_only (counted, never opens).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from playbill.model.machines.machine import LATE, Row, Table, row
from playbill.model.messages import Ask, Force, HalfOpenOver, OpenOver, RateDue, Released, Settle, Withdraw


class CircuitState(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    FORCED_OPEN = "forced_open"
    DISABLED = "disabled"
    METRICS_ONLY = "metrics_only"


class Report(StrEnum):
    """What became of a settled permit."""

    COUNTED = "counted"
    STALE = "stale"
    DUPLICATE = "duplicate"


S: Final = CircuitState
FORCED: Final = (S.CLOSED, S.FORCED_OPEN, S.DISABLED, S.METRICS_ONLY)
"""What a breaker may be set to by hand; closed lets it run by itself again."""
ALWAYS: Final[dict[type, Row]] = {
    Withdraw: row("withdraw"),
    Released: row("released"),
    Force: row("force", *FORCED),
    RateDue: row("rate_due"),
    OpenOver: LATE,
    HalfOpenOver: LATE,
}

TRANSITIONS: Final[Table] = {
    S.CLOSED: {**ALWAYS, Ask: row("ask"), Settle: row("settle_closed", S.CLOSED, S.OPEN)},
    S.OPEN: {
        **ALWAYS,
        Ask: row("ask_open"),
        Settle: row("settle_stale"),
        OpenOver: row("open_over", S.HALF_OPEN, S.OPEN),
    },
    S.HALF_OPEN: {
        **ALWAYS,
        Ask: row("ask_half_open"),
        Settle: row("settle_half_open", S.HALF_OPEN, S.CLOSED, S.OPEN),
        HalfOpenOver: row("half_open_over", S.OPEN, S.HALF_OPEN),
    },
    S.FORCED_OPEN: {**ALWAYS, Ask: row("ask_open"), Settle: row("settle_stale")},
    S.DISABLED: {**ALWAYS, Ask: row("ask"), Settle: row("settle_uncounted")},
    S.METRICS_ONLY: {**ALWAYS, Ask: row("ask"), Settle: row("settle_metrics")},
}
