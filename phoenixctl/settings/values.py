"""The kinds of scalar a configuration has."""

from __future__ import annotations

import re
from typing import Annotated, Final

from phoenixctl.model import fleet, units
from phoenixctl.model.fleet import Order, Supervisor
from phoenixctl.model.names import check_name
from phoenixctl.model.units import Bytes
from phoenixctl.settings.bitrate import parse_bit_rate
from phoenixctl.settings.fold import Folded
from phoenixctl.settings.kinds import Expected, Lenient, Written, choice, quantity, text, whole


def _read_flag(value: object) -> object:
    if isinstance(value, bool):
        return value
    raise Expected("true or false")


def _read_share(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST:
        return fleet.Share(count=int(value))
    if isinstance(value, str) and re.fullmatch(_PERCENT, value):
        ratio = units.parse_ratio(value)
        if ratio <= 1:
            return fleet.Share(ratio=ratio)
    raise Expected("a number such as 3, or a part such as 25%")


def _read_as_written(value: object) -> object:
    """Text, or the exact characters of a number, true or false."""
    if isinstance(value, str) and "\0" not in value:
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return getattr(value, "text", None) or str(value)
    raise Expected("text (a number, true or false is taken as it is written)")


def _read_folded(value: object) -> object:
    if isinstance(value, str) and value:
        return Folded(value)
    raise Expected("names such as web1 or web[01-20]")


def _duration(*, positive: bool) -> Written:
    return quantity(
        f"a duration {'longer than nought ' if positive else ''}such as 500ms, 30s or 1h30m",
        units.parse_duration,
        r"^\s*(\d+(\.\d+)?(ms|[smhdw]))+\s*$",
        unitless=False,
        positive=positive,
        most=366 * 86400.0,
    )


def _read_size(value: object) -> object:
    return Bytes(round(float(str(_SIZE_NUMBER.read(value)))))


def _empty_mapping(value: object) -> object:
    return {} if value is None else value


def _empty_list(value: object) -> object:
    return [] if value is None else value


def _one_or_more(value: object) -> object:
    if value is None:
        return []
    return [value] if isinstance(value, str) else value


def _argument_list(value: object) -> object:
    if isinstance(value, str):
        raise Expected('a list of the program and its arguments, as ["program", "argument"]')
    if value == []:
        raise Expected("a list of the program and its arguments")
    return value


_MOST: Final = 100_000  # of anything that is counted
_PERCENT: Final = r"\d+(?:\.\d+)?%"
_SIZE_PATTERN: Final = r"^\s*\d+(\.\d+)?\s*([kKmMgGtT]?[iI]?[bB]?)\s*$"
_SIZE_NUMBER: Final = quantity("a size such as 256MiB or 2GiB", units.parse_bytes, _SIZE_PATTERN)
_CORES: Final = quantity(
    "a number of cores such as 500m, 1 or 2.5", units.parse_cores, r"^\s*\d+(\.\d+)?m?\s*$"
)
_RATIO: Final = quantity(
    "a share above nought, at most one, such as 75% or 0.75",
    units.parse_ratio,
    r"^\s*\d+(\.\d+)?%?\s*$",
    most=1.0,
)
_AMOUNT: Final = quantity("a number", float, r"^\d+(\.\d+)?$", positive=False)
_RATE: Final = quantity("a number above nought", float, r"^\d+(\.\d+)?$")
_BITS: Final = quantity(
    "a bit rate such as 100Mbit/s or 10Gbit/s",
    parse_bit_rate,
    r"^\d+(\.\d+)?\s*[kMGT]?bit(/s)?$",
    unitless=False,
)
# Where a text may stand in a command line of ssh, a leading hyphen would make it an option.
_NO_OPTION: Final = r"[^-\s\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*"
_HOP: Final = (
    r"(?:[^-@,\s\x00-\x1f\x7f][^@,\s\x00-\x1f\x7f]*@)?[^-@,\s\x00-\x1f\x7f][^@,\s\x00-\x1f\x7f]*"
)
_NAME_TEXT: Final = "a name of lower-case letters, digits and hyphens, at most 63"
_PRINTABLE: Final = r"[^\x00-\x1f\x7f]+"

Name = Annotated[str, text(_NAME_TEXT, r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", check_name)]
Text = Annotated[str, text("text without line ends", _PRINTABLE)]
Path = Annotated[str, text("the path of a file", _PRINTABLE)]
NodeFolder = Annotated[
    str, text("an absolute path on the node, as /opt/agents", r"/[^\x00-\x1f\x7f]*")
]
NodeFile = Annotated[
    str,
    text(
        "the absolute path of a file on the node, as /etc/app.conf",
        r"(?:/(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f]+)+",
    ),
]
FileMode = Annotated[
    str,
    text('a file mode in octal digits, such as "0644"', r"[0-7]{3,4}", lambda mode: mode.zfill(4)),
]
FileOwner = Annotated[
    str,
    text(
        "a user, or user:group", r"[A-Za-z0-9_][A-Za-z0-9_.-]*\$?(?::[A-Za-z0-9_][A-Za-z0-9_.-]*)?"
    ),
]
PackageName = Annotated[str, text("the name of a package", r"[A-Za-z0-9][A-Za-z0-9+._:=~-]*")]
Address = Annotated[str, text("an address or host name", _NO_OPTION)]
User = Annotated[str, text("a login name", r"[A-Za-z0-9_][A-Za-z0-9_.@$-]*")]
Jump = Annotated[str, text("user@host:port, several separated by commas", f"{_HOP}(?:,{_HOP})*")]
Pattern = Annotated[str, text("a name, or a pattern such as web*", r"[^\s\x00-\x1f\x7f]+")]
GroupName = Annotated[str, text("the name of a group", r"[^\s\x00-\x1f\x7f]+")]
LabelKey = Annotated[
    str,
    text(
        "a label's name of letters, digits, dots, slashes, underscores and hyphens",
        r"[A-Za-z0-9][A-Za-z0-9._/-]{0,126}",
    ),
]
ResourceName = Annotated[
    str,
    text(
        "a resource's name of letters, digits, dots, slashes, underscores and hyphens, other than "
        "cpu and memory",
        r"(?!(?:cpu|memory)$)[A-Za-z0-9][A-Za-z0-9._/-]{0,126}",
    ),
]
VariableName = Annotated[
    str,
    text("a variable's name of letters, digits and underscores", r"[A-Za-z_][A-Za-z0-9_]*"),
]
UrlPath = Annotated[str, text("a path that begins with /", r"/[\x21-\x7e]*")]
Url = Annotated[
    str,
    text(
        "an http or https address without a login, as https://s3.example.org",
        r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[\x21-\x3e\x40-\x7e]*)?",
    ),
]
Method = Annotated[str, choice("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")]
Signal = Annotated[
    str,
    text(
        "a signal's name without SIG, such as TERM or USR1",
        "HUP|INT|QUIT|ABRT|KILL|USR1|USR2|ALRM|TERM|CONT|WINCH",
    ),
]
ProviderName = Annotated[str, choice("static", "local", "aws")]
OrderName = Annotated[Order, choice("in_place", "surge", make=Order)]
SupervisorName = Annotated[Supervisor, choice("auto", "systemd", "process", make=Supervisor)]
Flag = Annotated[bool, Written(_read_flag, {"type": "boolean"})]
Port = Annotated[int, whole(1, 65_535)]
Count = Annotated[int, whole(0, _MOST)]
AtLeastOne = Annotated[int, whole(1, _MOST)]
FileCount = Annotated[int, whole(1, 1_073_741_816)]  # the kernel's highest fs.nr_open
Duration = Annotated[float, _duration(positive=True)]
DurationOrNought = Annotated[float, _duration(positive=False)]
Size = Annotated[Bytes, Written(_read_size, _SIZE_NUMBER.json)]
Cores = Annotated[float, _CORES]
Ratio = Annotated[float, _RATIO]
Share = Annotated[
    fleet.Share,
    Written(
        _read_share,
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": _MOST},
                {"type": "string", "pattern": f"^{_PERCENT}$"},
            ]
        },
    ),
]
Amount = Annotated[float, _AMOUNT]
Rate = Annotated[float, _RATE]
BitRate = Annotated[float, _BITS]
AsWritten = Annotated[str, Written(_read_as_written, {"type": ["string", "number", "boolean"]})]
NodeNames = Annotated[
    Folded, Written(_read_folded, {"type": "string", "minLength": 1, "examples": ["web[01-20]"]})
]

EMPTY_MAPPING: Final = Lenient(_empty_mapping, {"type": "null"})
EMPTY_LIST: Final = Lenient(_empty_list, {"type": "null"})
ONE_OR_MORE: Final = Lenient(_one_or_more, {"type": ["string", "null"]})
Labels = Annotated[dict[LabelKey, AsWritten], EMPTY_MAPPING]
Paths = Annotated[list[Path], ONE_OR_MORE]
Arguments = Annotated[list[AsWritten], Lenient(_argument_list)]
