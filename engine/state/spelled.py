"""Statements that every verb makes: written with SQLAlchemy, put into SQLite's own words once, and from then on given to sqlite3
as they are.

    BY_ID = spelled(select(containers).where(containers.c.id == bindparam("which")))
    with database.reading() as connection:
        rows = BY_ID(connection, which=id)

For a row by its key SQLAlchemy takes ten times as long as SQLite does: what it can do for a statement that changes from call to
call, it does for each call. Rows are plain tuples of what SQLite holds, columns in the order of the statement.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ClauseElement
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from podlink.engine.state.rules import storable

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Spelled:
    """fixed: the parameters that have their value already; the others are called as in `bindparam`, or as their column."""

    text: str
    fixed: Mapping[str, Any]

    def __call__(self, connection: sqlite3.Connection, **values: Any) -> list[Row]:
        """Do it, in the transaction that the connection is in, and answer every row. Raises sqlite3.Error."""
        for name, value in values.items():
            if isinstance(value, str) and not value.isascii():
                values[name] = storable(value)
        return connection.execute(self.text, {**self.fixed, **values}).fetchall()

    def one(self, connection: sqlite3.Connection, **values: Any) -> Row | None:
        """The first row, if there is one."""
        return next(iter(self(connection, **values)), None)


def spelled(statement: ClauseElement, *columns: str) -> Spelled:
    """columns: of an `insert` or `update`, those that get a value; none means all of the table."""
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"), column_keys=list(columns) or None)
    assert isinstance(compiled, SQLCompiler)
    return Spelled(str(compiled), {name: bind.value for name, bind in compiled.binds.items() if not bind.required})
