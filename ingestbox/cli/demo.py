"""`ingestbox demo`: two boxes and sample records, to look at."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ingestbox.cli.demonstrating.tour import Tour

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(
    "demo",
    short_help="Watch two boxes take, analyse and forward sample records.",
    epilog="""\b
Examples:
  ingestbox demo
  ingestbox demo --port 9000
  ingestbox demo --once --keep ./demo
""",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_534),
    default=0,
    help="Port of the edge box; the central one takes the next.  [default: free ones]",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Keep data, keys and logs in this new folder.  [default: a temporary one, removed at the end]",
)
@click.option("--once", is_flag=True, help="End when every sample has arrived.")
def command(port: int, keep: Path | None, once: bool) -> int:
    """Start an edge box and a central box, and send sample records through both.

    The records, in English and Vietnamese, go through the same API as any others: the edge box takes them
    in, analyses them, and forwards the results to the central one. So does a file of contacts with faults,
    which are repaired row by row before they become contacts, two uploads of audience records, with a
    segment that is selected from them, and articles, which are searched, and reach the central box without
    what is personal in them. Then both stay for a look until Ctrl-C, which leaves nothing behind: no
    process, no folder. Only a demo killed with -9 leaves its folder; the next demo removes it. Nothing
    beyond this machine is contacted.
    """
    return asyncio.run(_demo(port, keep, once))


async def _demo(port: int, keep: Path | None, once: bool) -> int:
    # The signals first, so that from the first file on none of them cuts the clearing up short. Two that
    # come together count as one: a frozen program's boot-loader passes Ctrl-C on that was sent to both.
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[int] = loop.create_future()

    def ask(number: int) -> None:
        if not asked.done():
            asked.set_result(number)

    for number in ENDING:
        loop.add_signal_handler(number, ask, number)

    from ingestbox.cli.demonstrating import folder
    from ingestbox.cli.demonstrating.boxes import BoxFailed
    from ingestbox.cli.demonstrating.screen import Screen
    from ingestbox.cli.demonstrating.tour import Tour

    screen = Screen()
    with folder.temporary() if keep is None else folder.kept(keep) as place:
        tour = Tour(place, screen, port=port, once=once)
        going = asyncio.create_task(tour.go())
        try:
            await asyncio.wait((going, asked), return_when=asyncio.FIRST_COMPLETED)
            if going.done() and not asked.done():  # Ctrl-C may hit a box, too, that has just been forked
                going.result()
        except BoxFailed as failed:
            raise click.ClickException(f"{failed}\n{_next(keep)}") from None
        finally:
            going.cancel()
            with contextlib.suppress(asyncio.CancelledError, BoxFailed):
                await going
            with contextlib.suppress(OSError):  # the terminal may have gone
                screen.say("\nStopping both boxes …" if asked.done() else "")
            await tour.stop()
    with contextlib.suppress(OSError):
        screen.say(_farewell(tour, keep))
    return 0 if tour.arrived else 128 + asked.result()


def _farewell(tour: Tour, keep: Path | None) -> str:
    end = "Everything has arrived." if tour.arrived else "Interrupted before everything had arrived."
    if keep is None:
        return f"{end} Nothing is left behind.\nStart a box of your own with: ingestbox serve"
    return f"{end} The folder {keep} stays.\nLook into it with: ingestbox status --data {tour.edge.data}"


def _next(keep: Path | None) -> str:
    if keep is None:
        return "Nothing is left behind. To look closer, run it again with: ingestbox demo --keep ./demo"
    return f"The logs and data are in {keep}."
