"""A second look at the few tests that failed in a run of everything.

Tests that start real servers share two cores with another worker, and now and then one of them
waits longer than it allows. `make test` runs such a test once more, alone: what fails again has
failed, what passes is named so that nobody overlooks it. A run in which more than a few failed gets
no second look.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from _pytest.config import ExitCode

FAILED = Path(__file__).parents[1] / ".pytest_cache" / "v" / "cache" / "lastfailed"
MOST = 10


def worth_a_second_look(outcome: int, failed: list[str]) -> bool:
    """Whether a run that ended with this exit code failed by a few tests and by nothing else."""
    return outcome == ExitCode.TESTS_FAILED and 0 < len(failed) <= MOST


def recorded(text: str) -> list[str]:
    """The names of the tests that failed, without the groups that were given to workers."""
    return sorted({re.sub(r"@[^\]@]*$", "", name) for name in json.loads(text)})


def main(outcome: int) -> int:
    failed = recorded(FAILED.read_text()) if FAILED.exists() else []
    if not worth_a_second_look(outcome, failed):
        return outcome
    print(f"\n{len(failed)} failed in the run of everything; once more, alone:", flush=True)
    again = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *failed], check=False
    ).returncode
    if again == 0:
        print("passed only when run alone, so they ask for too much of a busy machine:")
        print("".join(f"  {name}\n" for name in failed), end="")
    return again


if __name__ == "__main__":
    raise SystemExit(main(int(sys.argv[1])))
