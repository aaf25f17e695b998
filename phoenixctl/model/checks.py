"""What `doctor` found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Grade(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: its grade, what was found, and what to do about it."""

    about: str
    name: str
    grade: Grade
    found: str
    hint: str = ""
