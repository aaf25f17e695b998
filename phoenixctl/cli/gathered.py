"""The outputs of a command on many nodes: folded, line by line, or raw."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from phoenixctl.model.command import Completed
from phoenixctl.model.names import NodeName
from phoenixctl.model.outcome import Outcome, Succeeded
from phoenixctl.render.gather import fold, grouped
from phoenixctl.render.neutral import neutralise

if TYPE_CHECKING:
    from phoenixctl.cli.run import Run

RULE = "-" * 15


def show_outputs(
    run: Run, outcomes: Mapping[NodeName, Outcome[Completed]], *, lines: bool, raw: bool
) -> None:
    """Output on stdout, folded by equal content unless `lines`; what failed on stderr."""
    if run.output.for_programs:
        run.emit("exec", lambda: _document(outcomes), lambda _console: None)
        return
    done = {name: o.value for name, o in outcomes.items() if isinstance(o, Succeeded)}
    for names, output in grouped({name: _output(c) for name, c in done.items()}):
        if not output:
            continue
        if lines:
            for name in names:
                _write_lines(name, output, raw=raw)
            continue
        if len(outcomes) > 1:
            count = f" ({len(names)})" if len(names) > 1 else ""
            _write(f"{RULE}\n{fold(names)}{count}\n{RULE}\n")
        _write_output(output, raw=raw)
    _complain(run, outcomes, done)


def _output(completed: Completed) -> bytes:
    """Both streams; a mark where one was cut."""
    parts = [
        stream + (b"[cut here: the limit of output was reached]\n" if cut else b"")
        for stream, cut in (
            (completed.stdout, completed.stdout_truncated),
            (completed.stderr, completed.stderr_truncated),
        )
        if stream
    ]
    return b"".join(p if p.endswith(b"\n") else p + b"\n" for p in parts)


def _write(text: str) -> None:
    sys.stdout.write(text)


def _write_output(output: bytes, *, raw: bool) -> None:
    if raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(output)
        sys.stdout.buffer.flush()
    else:
        _write(neutralise(output))


def _write_lines(name: NodeName, output: bytes, *, raw: bool) -> None:
    for line in output.split(b"\n")[:-1]:  # not at a carriage return, as splitlines would
        _write(f"{name}: ")
        _write_output(line + b"\n", raw=raw)


def _complain(
    run: Run,
    outcomes: Mapping[NodeName, Outcome[Completed]],
    done: Mapping[NodeName, Completed],
) -> None:
    """Who failed and why, the same reason once."""
    reasons: dict[str, list[NodeName]] = {}
    for name, outcome in outcomes.items():
        if not isinstance(outcome, Succeeded):
            text = str(outcome.error).replace(name, "this node")
            reasons.setdefault(f"{outcome.error.kind}: {text}", []).append(name)
    for name, completed in done.items():
        if not completed.ok:
            status = completed.exit_status
            how = f"signal {completed.signal}" if status is None else f"exit status {status}"
            reasons.setdefault(how, []).append(name)
    sys.stdout.flush()
    for reason, names in reasons.items():
        run.note(f"{fold(names)}: {reason}")
    errors = [o.error for o in outcomes.values() if not isinstance(o, Succeeded)]
    for hint in dict.fromkeys(error.hint for error in errors if error.hint):
        run.note(f"  try: {hint}")


def _document(outcomes: Mapping[NodeName, Outcome[Completed]]) -> dict[str, Any]:
    return {"nodes": {name: _one(outcome) for name, outcome in outcomes.items()}}


def _one(outcome: Outcome[Completed]) -> dict[str, Any]:
    if isinstance(outcome, Succeeded):
        done = outcome.value
        return {
            "exit_status": done.exit_status,
            "signal": done.signal,
            "stdout": done.stdout.decode("utf-8", "backslashreplace"),
            "stderr": done.stderr.decode("utf-8", "backslashreplace"),
            "stdout_truncated": done.stdout_truncated,
            "stderr_truncated": done.stderr_truncated,
            "seconds": round(done.seconds, 3),
        }
    error = outcome.error
    return {"error": {"kind": error.kind, "what": error.what, "hint": error.hint}}
