"""How many backups are kept: the last ones, one a day, one a week."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from grabient_pipeline.errors import SettingsError

_TEXT: Final = re.compile(r"(\d{1,3}),(\d{1,3}),(\d{1,3})")


@dataclass(frozen=True, slots=True)
class Retention:
    """The number of backups to keep: the newest, the newest of each of the last days and weeks that have one."""

    last: int = 3
    daily: int = 7
    weekly: int = 4

    @classmethod
    def parse(cls, text: str) -> Retention:
        """Read `LAST,DAILY,WEEKLY` or `off`. Raises `SettingsError`."""
        if text.strip().lower() == "off":
            return cls(0, 0, 0)
        match = _TEXT.fullmatch(text.replace(" ", ""))
        if match is None:
            raise SettingsError(
                f"backups is {text!r}; it must be three numbers such as 3,7,4 (the last, one a day, one a week) or off"
            )
        return cls(*map(int, match.groups()))

    @property
    def is_off(self) -> bool:
        """Whether no backup is made by itself, and none removed."""
        return not (self.last or self.daily or self.weekly)

    def __str__(self) -> str:
        return f"{self.last},{self.daily},{self.weekly}"

    def kept(self, moments: Sequence[dt.datetime]) -> set[dt.datetime]:
        """Choose from the moments of all backups of a ledger those to keep."""
        newest_first = sorted(moments, reverse=True)
        return {
            *newest_first[: self.last],
            *_newest_of_each(newest_first, dt.datetime.date, self.daily),
            *_newest_of_each(newest_first, lambda moment: moment.isocalendar()[:2], self.weekly),
        }


def read_retention(connection: duckdb.DuckDBPyConnection) -> Retention:
    """Return the setting."""
    ((text,),) = connection.execute("SELECT backups FROM config").fetchall()
    return Retention.parse(text)


def write_retention(connection: duckdb.DuckDBPyConnection, retention: Retention) -> None:
    """Change the setting."""
    connection.execute("UPDATE config SET backups = ?, updated_at = now()", [str(retention)])


def _newest_of_each(
    newest_first: Sequence[dt.datetime], period: Callable[[dt.datetime], Hashable], count: int
) -> list[dt.datetime]:
    newest: dict[Hashable, dt.datetime] = {}
    for moment in newest_first:
        newest.setdefault(period(moment), moment)
    return list(newest.values())[:count]
