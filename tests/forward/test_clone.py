"""A box and a copy of it send to one upstream: nothing is taken for a repeat, and nothing is lost."""

from __future__ import annotations

import shutil
from pathlib import Path

from ingestbox.store import DATABASE, lanes
from ingestbox.store.place import MARKER
from tests.forward.rig import node, put
from tests.forward.support import lane, run, upstream


def said(score: float) -> dict[str, object]:
    """A result of a ticket that can be told from that of another box."""
    return {"sentiment": "neutral", "score": score, "trend": "stable", "fields": []}


def test_a_box_and_its_copy_send_to_one_upstream(tmp_path: Path) -> None:
    async def main() -> None:
        folders = {name: tmp_path / name for name in ("edge", "central")}
        for each in folders.values():
            each.mkdir()
        async with node(folders["central"]) as central:
            async with node(folders["edge"]) as edge:
                await edge.tell(put("A"), put("B"))
                await edge.forward(central)
                await edge.until_sent()
                await edge.tell(put("A", 2))
                await edge.until_sent()
            async with node(folders["edge"]) as edge:  # one more, which stays pending
                await edge.tell(put("B", 2))
            shutil.copytree(folders["edge"], tmp_path / "copy")
            async with node(folders["edge"]) as edge, node(tmp_path / "copy") as copy:
                assert copy.name == edge.name
                assert copy.store.identity.epoch != edge.store.identity.epoch
                await copy.tell(put("A", 3, result=said(0.033)), put("C"))
                await edge.tell(put("A", 3, result=said(0.003)), put("D"))
                await edge.forward(central)
                await edge.until_sent()
                await copy.forward(central)  # what was pending in both goes twice, once in effect
                await copy.until_sent()
                box = edge.name
                # What the copy says of A counts as the newer word, whichever comes last.
                assert await central.tickets() == {
                    (box, "A"): 33,
                    (box, "B"): 2,
                    (box, "C"): 1,
                    (box, "D"): 1,
                }
                await edge.tell(put("A", 4), put("E"))
                await edge.until_sent()
                assert (await central.tickets())[box, "A"] == 33
                assert (await central.tickets())[box, "E"] == 1
                found = {each.epoch: each for each in await central.senders()}
                assert [(each.reused, each.gaps) for each in found.values()] == [(0, ()), (0, ())]
                assert found[edge.store.identity.epoch].last_seq == 8
                assert found[copy.store.identity.epoch].last_seq == 6
                for one in (edge, copy):
                    (balance,) = await lanes.balances(one.store)
                    assert (balance.holds, balance.pending, balance.parked) == (True, 0, 0)

    run(main())


def test_what_a_restored_box_says_is_the_newer_word(tmp_path: Path) -> None:
    """Its versions begin again where the backup was made."""

    async def main() -> None:
        edge_folder, central_folder = tmp_path / "edge", tmp_path / "central"
        edge_folder.mkdir()
        central_folder.mkdir()
        async with node(central_folder) as central:
            async with node(edge_folder) as edge:
                await edge.tell(put("A"), put("B"))
                await edge.forward(central)
                await edge.until_sent()
                await edge.store.fold()
                shutil.copy(edge_folder / DATABASE, tmp_path / "backup")
                await edge.tell(*(put("A", version) for version in range(2, 9)))
                await edge.until_sent()
                box = edge.name
            assert (await central.tickets())[box, "A"] == 8
            shutil.copy(tmp_path / "backup", edge_folder / DATABASE)
            async with node(edge_folder) as edge:
                await edge.tell(put("A", 2, result=said(0.022)))
                await edge.forward(central)
                await edge.until_sent()
                assert await central.tickets() == {(box, "A"): 22, (box, "B"): 1}
                assert [each.reused for each in await central.senders()] == [0, 0]

    run(main())


def test_the_chain_of_a_new_epoch_begins_at_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        folder = tmp_path / "edge"
        folder.mkdir()
        async with upstream() as up:
            for round_ in range(2):
                async with node(folder) as edge:
                    await edge.tell(put("A", round_ + 1))
                    await edge.forward(lane(up.url, batch_lines=1))
                    await edge.until_sent()
                    if round_ == 0:
                        await edge.tell(put("B"))
                        await edge.until_sent()
                (folder / MARKER).unlink()
            chains = [
                (each.headers["ingestbox-after"], each.headers["ingestbox-seq"]) for each in up.requests
            ]
            assert chains == [("0", "1-1"), ("1", "2-2"), ("0", "3-3")]
            epochs = [each.headers["ingestbox-epoch"] for each in up.requests]
            assert (epochs[0], epochs[1] != epochs[2]) == (epochs[1], True)

    run(main())
