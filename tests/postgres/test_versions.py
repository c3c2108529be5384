"""What stands in the table after batches: of every object the newest word, once, whatever came when."""

from __future__ import annotations

import asyncio

from ingestbox.forward.sink import Delivered
from ingestbox.forward.sinks.postgresrows import packed
from tests.families.audience.edge import gone, put
from tests.forward.support import START_MS
from tests.postgres.support import BOX, EPOCH, Server, batch, delete, deliver, line, opened, run, send

DONE = Delivered()


def test_a_line_becomes_a_row_with_all_that_it_says(server: Server, table: str) -> None:
    record = {"id": "T-7", "summary": "trễ ‘quá’ \\ \u2028 😡"}
    lineage = {"file": "tickets.csv", "row": 17, "rules": "3"}
    to = server.lane(table)
    said = line(7, "T-7", 3, lineage=lineage, record=record)
    assert deliver(to, [said]) == [DONE]
    columns = "box, workspace, family, kind, id, version, epoch, seq, deleted, owner, job_id, hash, record, "
    columns += "result->>'sentiment', lineage, extract(epoch FROM at) * 1000, received_at <= now()"
    assert server.rows(table, columns) == [
        [
            *(BOX, "default", "feedback", "ticket", "T-7", 3, EPOCH, 7, False, "local:somebody", "0190"),
            *(said["hash"], record, "neutral", lineage, START_MS, True),
        ]
    ]


def test_only_newer_versions_count_and_a_deleted_object_stays_deleted(server: Server, table: str) -> None:
    batches = [
        [line(1, "a", 1), line(2, "b", 1), line(3, "c", 1)],
        [line(4, "a", 2), delete(5, "b", 3)],
        [line(6, "a", 1), line(7, "b", 2), delete(8, "c", 1)],
    ]
    to = server.lane(table)
    assert deliver(to, *batches) == [DONE] * 3
    assert server.rows(table) == [["a", 2, False], ["b", 3, True], ["c", 1, False]]
    gone = server.rows(table, "id, record, result, seq")[1]
    assert gone == ["b", None, None, 5], "what was deleted leaves nothing behind"

    assert deliver(to, [line(9, "b", 4)]) == [DONE]
    assert server.rows(table, "id, version, deleted, record->>'id'")[1] == ["b", 4, False, "b"]


def test_a_repeat_has_no_effect(server: Server, table: str) -> None:
    lines = [line(seq, f"T-{seq}") for seq in range(1, 30)]
    to = server.lane(table)
    assert deliver(to, [*lines]) == [DONE]
    before = server.rows(table, "id, xmin::text, received_at")
    assert deliver(to, lines, lines[:5], lines[3:]) == [DONE] * 3
    assert server.rows(table, "id, xmin::text, received_at") == before


def test_of_an_object_that_is_in_a_batch_several_times_the_newest_counts(server: Server, table: str) -> None:
    lines = [
        *(line(1, "a", 1), line(2, "b", 1), line(3, "a", 2), delete(4, "b", 2), line(5, "a", 3)),
        *(line(6, "c", 5), line(7, "c", 4), line(8, "d", 1), delete(9, "d", 2), line(10, "d", 3)),
    ]
    to = server.lane(table)
    assert deliver(to, [*lines]) == [DONE]
    assert server.rows(table, "id, version, deleted, seq") == [
        ["a", 3, False, 5],
        ["b", 2, True, 4],
        ["c", 5, False, 6],
        ["d", 3, False, 10],
    ]


def test_boxes_have_objects_of_their_own_also_through_another_box(server: Server, table: str) -> None:
    relayed = {"origin": "b0000000000000001", "origin_epoch": "e9"}
    direct = {"box": "b0000000000000001", "epoch": "e9"}
    to = server.lane(table)
    batches = [
        [line(1, "a", 4), line(2, "a", 2, **relayed)],
        [line(3, "a", 3, **direct), line(4, "a", 1, **relayed)],
    ]
    assert deliver(to, *batches) == [DONE] * 2
    rows = server.rows(table, "box, id, version, epoch, seq")
    assert rows == [["b0000000000000001", "a", 3, "e9", 3], [BOX, "a", 4, EPOCH, 1]]


def test_after_a_restore_lower_versions_are_the_newer_word(server: Server, table: str) -> None:
    later = {"epoch": "a-later-one"}  # it sorts before the first: order of appearance is what counts
    batches = [
        [line(1, "a", 9), delete(2, "b", 9), line(3, "c", 9)],
        [line(4, "a", 5, **later), line(5, "b", 5, **later)],
        [line(6, "a", 10), line(7, "c", 10)],
    ]
    to = server.lane(table)
    assert deliver(to, *batches) == [DONE] * 3
    assert server.rows(table, "id, version, deleted, epoch") == [
        ["a", 5, False, "a-later-one"],
        ["b", 5, False, "a-later-one"],
        ["c", 10, False, EPOCH],
    ]


def test_two_epochs_of_an_object_in_one_batch(server: Server, table: str) -> None:
    """As a central box may pass them on. They rank as they appear, not as their names sort."""
    first = {"origin": "b0000000000000001", "origin_epoch": "z"}
    second = {"origin": "b0000000000000001", "origin_epoch": "a"}
    lines = [
        *(line(1, "x", 7, **first), line(2, "x", 2, **second), line(3, "x", 8, **first)),
        *(line(4, "y", 7, **first), line(5, "x", 3, **second), line(6, "y", 9, **first)),
    ]
    to = server.lane(table)
    assert deliver(to, [*lines]) == [DONE]
    assert server.rows(table, "id, version, epoch") == [["x", 3, "a"], ["y", 9, "z"]]

    # In one statement, for different objects.
    third = {"origin": "b0000000000000001", "origin_epoch": "M"}
    fourth = {"origin": "b0000000000000001", "origin_epoch": "D"}
    lines = [line(7, "x", 9, **third), line(8, "y", 1, **fourth)]
    assert deliver(to, lines, [line(9, "x", 1, **fourth)]) == [DONE] * 2
    assert server.rows(table, "id, version, epoch") == [["x", 1, "D"], ["y", 1, "D"]]


def test_skips_are_passed_over(server: Server, table: str) -> None:
    skip = {"box": BOX, "epoch": EPOCH, "seq": 2, "op": "skip"}
    to = server.lane(table)
    assert deliver(to, [line(1, "a"), skip, line(3, "b")]) == [DONE]
    assert deliver(to, [skip]) == [DONE]
    assert [row[0] for row in server.rows(table)] == ["a", "b"]


def test_large_batches_go_in_several_statements_of_one_transaction(server: Server, table: str) -> None:
    count = 2_500
    lines = [line(seq, f"T-{seq:05}") for seq in range(1, count + 1)]
    to = server.lane(table)
    assert len(packed(batch(*lines)).pieces) == 3
    assert deliver(to, [*lines]) == [DONE]
    assert server.sql(
        f"SELECT json_build_array(count(*), count(DISTINCT xmin::text))::text FROM {table}"
    ) == [[count, 1]]


def test_two_boxes_that_write_at_once_both_arrive(server: Server, table: str) -> None:
    """Also their first batches, for which both make the table."""

    async def both() -> list[object]:
        lanes = [server.lane(table) for _ in range(6)]
        async with opened(*lanes) as sinks:
            found: list[object] = []
            for version in range(1, 4):
                found += await asyncio.gather(
                    *(
                        send(sink, *(line(seq, f"T-{seq}", version, box=f"b{n}") for seq in range(1, 40)))
                        for n, sink in enumerate(sinks)
                    )
                )
            return found

    assert run(both()) == [DONE] * 18
    assert server.sql(f"SELECT json_build_array(count(*), min(version))::text FROM {table}") == [[6 * 39, 3]]


def test_objects_of_every_family_and_kind_have_rows_of_their_own(server: Server, table: str) -> None:
    to = server.lane(table)
    record = put("upl_1", 0, box=BOX, epoch=EPOCH, seq=2)
    segment = record | {"seq": 3, "kind": "segment", "version": 4}
    ended = gone("upl_1", 0, 5, box=BOX, epoch=EPOCH, seq=4)
    assert deliver(to, [line(1, "upl_1/0"), record, segment], [ended]) == [DONE] * 2
    select = "family, kind, id, version, deleted, record->>'business_email', result->>'_duplicate_of'"
    assert sorted(server.rows(table, select)) == [
        ["audience", "record", "upl_1/0", 5, True, None, None],
        ["audience", "segment", "upl_1/0", 4, False, "test0@example.com", None],
        ["feedback", "ticket", "upl_1/0", 1, False, None, None],
    ]
