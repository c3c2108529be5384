"""Many rows in one statement: what they come to is what they come to one by one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ingestbox.store import load_queries
from ingestbox.store.engine import connect_writer, sqlite3
from ingestbox.store.migrations import migrate
from ingestbox.store.queries import Query
from ingestbox.store.unit import TOGETHER, Tx
from tests.store.test_search import put

FEEDBACK = Path(__file__).parents[2] / "ingestbox" / "families" / "feedback" / "queries.sql"
TABLES = ("tickets", "ticket_terms", "workspaces", "ticket_days", "entities")


def opened(path: Path) -> tuple[sqlite3.Connection, Tx]:
    connection = connect_writer(path)
    migrate(connection, 1)
    return connection, Tx(connection, load_queries({"feedback": FEEDBACK}))


def all_of(connection: sqlite3.Connection) -> dict[str, list[tuple[Any, ...]]]:
    connection.execute("INSERT INTO ticket_words (ticket_words) VALUES ('integrity-check')")
    return {name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall()) for name in TABLES}


@pytest.mark.parametrize("count", [0, 1, TOGETHER - 1, TOGETHER, 2 * TOGETHER + 3])
def test_rows_put_together_are_as_rows_put_alone(tmp_path: Path, count: int) -> None:
    rows = [put({"id": f"T-{n % 9}", "summary": f"Trễ lần {n}"}, version=n + 1)[1] for n in range(count)]
    found = []
    for how in ("alone", "together"):
        connection, tx = opened(tmp_path / f"{how}.db")
        connection.execute("BEGIN IMMEDIATE")
        if how == "together":
            tx.put("feedback.put_ticket", rows)
        else:
            for row in rows:
                tx.run("feedback.put_ticket", row)
        connection.execute("COMMIT")
        found.append(all_of(connection))
        connection.close()
    assert found[0] == found[1]
    assert len(found[0]["tickets"]) == min(count, 9)  # of each id the last one


def test_a_row_that_does_not_fit_undoes_those_beside_it(tmp_path: Path) -> None:
    connection, tx = opened(tmp_path / "box.db")
    rows = [put({"id": f"T-{n}", "summary": "late"})[1] for n in range(TOGETHER)]
    rows[-1] = {**rows[-1], "workspace": None}
    connection.execute("BEGIN IMMEDIATE")
    with pytest.raises(sqlite3.IntegrityError):
        tx.put("feedback.put_ticket", rows)
    connection.execute("ROLLBACK")
    assert all_of(connection)["ticket_terms"] == all_of(connection)["tickets"] == []
    connection.close()


def test_statements_of_several_rows() -> None:
    query = Query("x.y", "INSERT INTO t (a, b) VALUES (:a, upper(:b), :a);")
    assert query.together(2) == "INSERT INTO t (a, b) VALUES (?1, upper(?2), ?1), (?3, upper(?4), ?3)"
    for other in (
        "INSERT INTO t (a) VALUES (:a) RETURNING a",
        "INSERT INTO t (a) SELECT :a FROM u",
        "WITH b AS (SELECT :b) INSERT INTO t (a) VALUES (:a)",
        "DELETE FROM t",
    ):
        assert Query("x.z", other).together(2) is None
    for family in ("contacts", "feedback"):
        path = FEEDBACK.parents[1] / family / "queries.sql"
        puts = [each for each in load_queries({family: path}).all() if re.search(r"\.put_[a-z]+$", each.name)]
        assert all(each.together(2) for each in puts if each.name.startswith(family))
        assert puts
