"""From what happened to an exit code, with one clear error on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

import typer

from phoenixctl.model.errors import ExitCode, PhoenixError, UsageError
from phoenixctl.render.neutral import neutralise


def exit_code(action: Callable[[], int], arguments: Sequence[str]) -> int:
    """Run the action; turn whatever it raises into an exit code and a message."""
    try:
        code = action()
        sys.stdout.flush()
    except PhoenixError as error:
        _explain(error, arguments)
        return int(error.exit_code)
    except typer.Exit as leaving:
        return leaving.exit_code
    except SystemExit as leaving:
        # By this, and with 1, typer ends a command that writes to a reader who has gone.
        if isinstance(leaving.__context__, BrokenPipeError):
            _give_up_stdout()
            return int(ExitCode.OK)
        raise
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("interrupted\n")
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # The reader (`| head`) has gone: nothing more can be said, and nothing is wrong.
        _give_up_stdout()
        return int(ExitCode.OK)
    except OSError as error:  # a full disk behind stdout or the state folder
        where = f": {error.filename}" if error.filename else ""
        sys.stderr.write(f"error: {neutralise(f'{error.strerror or error}{where}')}\n")
        _give_up_stdout()
        return int(ExitCode.ERROR)
    except BaseExceptionGroup as group:
        return exit_code(_raise(group), arguments)
    except typer.TyperException as error:
        wrong = _usage(error)
        _explain(wrong, arguments)
        return int(wrong.exit_code)
    if code == ExitCode.INTERRUPTED:  # typer has turned Ctrl-C into this
        sys.stderr.write("interrupted\n")
    return code


def _give_up_stdout() -> None:
    """Let what is still buffered go nowhere, so that leaving does not fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _raise(group: BaseExceptionGroup[BaseException]) -> Callable[[], int]:
    def action() -> int:
        first = group.exceptions[0]
        raise first

    return action


def _explain(error: PhoenixError, arguments: Sequence[str]) -> None:
    if _wants_json(arguments):
        import json

        document = {
            "schema": "phoenixctl.error/1",
            "error": {
                "kind": error.kind,
                "what": error.what,
                "hint": error.hint,
                "exit_code": int(error.exit_code),
            },
        }
        try:
            sys.stdout.write(json.dumps(document, indent=2) + "\n")
            sys.stdout.flush()
        except OSError:  # nobody reads it; stderr says it as well
            _give_up_stdout()
    sys.stderr.write(f"error: {neutralise(error.what)}\n")
    if error.hint:
        sys.stderr.write(f"  try: {neutralise(error.hint)}\n")


def _wants_json(arguments: Sequence[str]) -> bool:
    own = list(arguments)
    if "--" in own:
        own = own[: own.index("--")]
    joined = " ".join(own)
    return any(
        f"{flag}{gap}json" in joined for flag in ("-o", "--output") for gap in (" ", "=", "")
    )


def _usage(error: Exception) -> UsageError:
    """What typer says of the words it was given, with the help that lists the right ones."""
    message = getattr(error, "format_message", lambda: str(error))()
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "phoenixctl"
    return UsageError(message, hint=f"{path} --help")
