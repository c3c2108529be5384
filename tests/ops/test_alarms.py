"""Alarms over a real store and a real receiver; what is wrong, and the clock, are the test's."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ingestbox import config
from ingestbox.errors import IngestError, StartupError
from ingestbox.ops.alarms import CLEAR_LOOKS, RAISE_LOOKS, Alarms
from ingestbox.ops.conditions import Condition
from ingestbox.ops.webhook import Webhook, webhook_of
from ingestbox.store import Store, alarms
from tests.forward.support import HeldClock, opened, run, until, until_async
from tests.forward.test_lanes import self_signed
from tests.ops.support import SECRET, Answer, Receiver, receiver

LANE = "lane_paused:central"


class Box:
    """What a test turns: conditions by name, and whether anything can be stored."""

    def __init__(self, store: Store, clock: HeldClock, url: str, secret: str = SECRET) -> None:
        self.store = store
        self.clock = clock
        self.wrong: dict[str, str] = {}
        self.urgent: set[str] = set()
        self.known = {LANE, "disk_low"}
        settings = config.Alarms(webhook_url=url, webhook_secret=secret)
        self._webhook = webhook_of(settings, clock)
        self.alarms = Alarms(
            store, self.look, self._webhook, seconds=3600, clock=clock, random=random.Random(1)
        )

    async def look(self) -> list[Condition]:
        names = self.known | self.wrong.keys()
        return [
            Condition(name, name not in self.wrong, self.wrong.get(name, "well"), name in self.urgent)
            for name in sorted(names)
        ]

    async def looks(self, times: int) -> None:
        for _ in range(times):
            self.clock.advance(5)
            await self.alarms.check()

    async def turn_bad(self, name: str, why: str = "refused: 401") -> None:
        self.wrong[name] = why
        await self.looks(RAISE_LOOKS)

    async def turn_good(self, name: str) -> None:
        self.wrong.pop(name)
        await self.looks(CLEAR_LOOKS)

    async def pass_time(self, done: Callable[[], Any], what: str) -> None:
        """Lets the held clock run until something is so."""

        def tick() -> Any:
            self.clock.advance(10)
            self.alarms.wake()
            return done()

        await until(tick, what)

    @property
    def raised(self) -> list[str]:
        return [each.name for each in self.alarms.raised]

    async def close(self) -> None:
        await self.alarms.stop()
        if self._webhook is not None:
            await self._webhook.close()


@asynccontextmanager
async def boxed(
    folder: Path, url: str = "", *, clock: HeldClock | None = None, secret: str = SECRET
) -> AsyncIterator[Box]:
    """A box that watches; on the same folder it goes on where the last one was."""
    clock = clock or HeldClock()
    async with opened(folder, clock) as store:
        box = Box(store, clock, url, secret)
        await box.alarms.start()
        try:
            yield box
        finally:
            await box.close()


async def nothing_waits(store: Store) -> bool:
    return (await alarms.load(store))[1] == []


def lines(caplog: pytest.LogCaptureFixture, message: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage() == message]


def test_a_change_is_logged_once_and_posted_once_signed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(hook: Receiver) -> None:
        async with boxed(tmp_path, hook.url) as box:
            await box.turn_bad(LANE)
            await box.looks(10)
            assert box.raised == [LANE]
            await until(lambda: len(hook.taken) == 1, "the alarm arrives")
            raised_at = box.alarms.raised[0].since_ms
            await box.turn_good(LANE)
            await box.looks(10)
            await until(lambda: len(hook.taken) == 2, "its end arrives")
            assert box.raised == []
            assert hook.news == [("alarm.raised", LANE), ("alarm.cleared", LANE)]
            first, second = (post.body for post in hook.taken)
            assert set(first) == {"type", "timestamp", "data"}
            assert first["data"] == {
                "alarm": LANE,
                "detail": "refused: 401",
                "box": box.store.identity.box,
                "since": first["timestamp"],
            }
            assert second["data"]["since"] == first["timestamp"] < second["timestamp"]
            assert second["data"]["detail"] == "well"
            assert raised_at < box.clock.wall_ms
            for post in hook.posts:
                assert post.signed
                assert post.headers["content-type"] == "application/json"
                assert abs(int(post.headers["webhook-timestamp"]) * 1000 - box.clock.wall_ms) < 600_000
            assert hook.posts[0].id != hook.posts[1].id

    caplog.set_level(logging.INFO)
    with receiver() as hook:
        run(test(hook))
    (raised,) = lines(caplog, "An alarm is raised.")
    (cleared,) = lines(caplog, "An alarm is over.")
    assert (raised.levelname, cleared.levelname) == ("WARNING", "INFO")
    assert vars(raised)["alarm"] == vars(cleared)["alarm"] == LANE
    assert (vars(raised)["state"], vars(raised)["detail"]) == ("raised", "refused: 401")
    assert vars(cleared)["state"] == "cleared"


def test_a_blip_is_no_alarm_and_what_comes_and_goes_is_one(tmp_path: Path) -> None:
    async def test() -> None:
        async with boxed(tmp_path) as box:
            box.wrong[LANE] = "refused"
            await box.looks(RAISE_LOOKS - 1)
            box.wrong.clear()
            await box.looks(3)
            assert box.raised == []
            await box.turn_bad(LANE)
            (alarm,) = box.alarms.raised
            for _ in range(20):
                box.wrong.pop(LANE)
                await box.looks(CLEAR_LOOKS - 1)
                assert box.alarms.raised == [alarm]
                box.wrong[LANE] = "refused again"
                await box.looks(1)
            assert box.alarms.raised == [alarm]
            await box.turn_good(LANE)
            assert box.raised == []

    run(test())


def test_an_urgent_condition_alarms_at_once_as_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        async with boxed(tmp_path) as box:
            box.urgent.add("store_unwritable")
            box.wrong["store_unwritable"] = "disk I/O error"
            await box.looks(1)
            assert box.raised == ["store_unwritable"]

    run(test())
    assert lines(caplog, "An alarm is raised.")[0].levelname == "ERROR"


def test_a_restart_neither_repeats_an_alarm_nor_forgets_one(tmp_path: Path) -> None:
    async def test(hook: Receiver) -> None:
        clock = HeldClock()
        async with boxed(tmp_path, hook.url, clock=clock) as box:
            await box.turn_bad(LANE)
            await box.turn_bad("disk_low", "3 MB free")
            await until(lambda: len(hook.taken) == 2, "both alarms arrive")
            await until_async(lambda: nothing_waits(box.store), "the store knows that they were taken")
            since = box.alarms.raised[0].since_ms
        clock.advance(600)
        async with boxed(tmp_path, hook.url, clock=clock) as box:
            assert box.raised == [LANE, "disk_low"]
            box.wrong[LANE] = "refused: 401"  # the disk became free while the box was down
            await box.looks(CLEAR_LOOKS)
            assert [(each.name, each.since_ms) for each in box.alarms.raised] == [(LANE, since)]
            await until(lambda: len(hook.taken) == 3, "the end of one arrives")
            assert hook.news[2] == ("alarm.cleared", "disk_low")
            await until_async(lambda: nothing_waits(box.store), "the store knows that it was taken")
        async with boxed(tmp_path, hook.url, clock=clock) as box:
            box.known.discard(LANE)  # the lane was taken out of the configuration
            await box.looks(CLEAR_LOOKS)
            await until(lambda: len(hook.taken) == 4, "an alarm about nothing ends")
            assert hook.news[3] == ("alarm.cleared", LANE)
            assert box.raised == []

    with receiver() as hook:
        run(test(hook))


def test_failures_are_tried_again_with_the_same_id_until_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    moved = Answer(307, {"Location": "/elsewhere"})
    failing = [Answer(500), Answer(500), Answer(404), moved, Answer(429), Answer(200)]

    async def test(hook: Receiver) -> None:
        async with boxed(tmp_path, hook.url) as box:
            await box.turn_bad(LANE)
            await box.pass_time(lambda: hook.taken, "it is taken in the end")
            assert len(hook.posts) == len(failing)
            assert len({post.id for post in hook.posts}) == 1
            assert {post.path for post in hook.posts} == {"/hook"}  # a redirect is not followed
            assert all(post.signed for post in hook.posts)
            assert len({post.headers["webhook-timestamp"] for post in hook.posts}) > 1
            await until_async(lambda: nothing_waits(box.store), "the store knows that it was taken")

    with receiver(lambda number: failing[number]) as hook:
        run(test(hook))
    assert len(lines(caplog, "Alarms cannot be posted; it is tried again.")) == 4  # one for each reason


def test_a_retry_after_is_kept(tmp_path: Path) -> None:
    async def test(hook: Receiver) -> None:
        async with boxed(tmp_path, hook.url) as box:
            await box.turn_bad(LANE)
            await until(lambda: len(hook.posts) == 1, "the first try")
            started = box.clock.wall_ms
            await box.pass_time(lambda: len(hook.posts) > 1, "the second try")
            assert box.clock.wall_ms - started >= 1_000_000

    with receiver(lambda number: Answer(503, {"Retry-After": "1000"} if number == 0 else {})) as hook:
        run(test(hook))


def test_a_webhook_that_is_away_for_days_hears_the_newest_of_each_in_order(tmp_path: Path) -> None:
    async def test(hook: Receiver) -> None:
        clock = HeldClock()
        hook.close()
        async with boxed(tmp_path, hook.url, clock=clock) as box:
            for _ in range(5):
                await box.turn_bad("disk_low")
                await box.turn_good("disk_low")
            await box.turn_bad(LANE)
            await box.turn_bad("disk_low", "2 MB free")
            assert box.alarms.waiting == 2
            clock.advance(3 * 86_400)
            box.alarms.wake()
        async with boxed(tmp_path, hook.url, clock=clock) as box:
            box.wrong = {LANE: "refused", "disk_low": "2 MB free"}
            assert box.alarms.waiting == 2
            hook.open()
            await box.pass_time(lambda: len(hook.taken) == 2, "both arrive")
            assert hook.news == [("alarm.raised", LANE), ("alarm.raised", "disk_low")]
            assert hook.taken[1].body["data"]["detail"] == "2 MB free"

    with receiver() as hook:
        run(test(hook))


def test_a_change_while_the_one_before_is_being_posted_follows_it(tmp_path: Path) -> None:
    held = threading.Event()

    async def test(hook: Receiver) -> None:
        async with boxed(tmp_path, hook.url) as box:
            await box.turn_bad(LANE)
            await until(lambda: hook.posts, "the first is under way")
            await box.turn_good(LANE)
            held.set()
            await until(lambda: len(hook.taken) == 2, "both arrive")
            assert hook.news == [("alarm.raised", LANE), ("alarm.cleared", LANE)]
            await until(lambda: box.alarms.waiting == 0, "nothing waits")

    with receiver(lambda _: Answer(hold=held)) as hook:
        run(test(hook))


def test_an_answer_without_an_end_is_not_read(tmp_path: Path) -> None:
    async def test(hook: Receiver) -> None:
        async with boxed(tmp_path, hook.url) as box:
            await box.turn_bad(LANE)
            await until(lambda: box.alarms.waiting == 0, "the status is enough")
            assert len(hook.posts) == 1

    with receiver(lambda _: Answer(200, endless=True)) as hook:
        run(test(hook))


def test_the_alarm_about_the_store_goes_out_while_nothing_can_be_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(hook: Receiver) -> None:
        clock = HeldClock()
        async with boxed(tmp_path, hook.url, clock=clock) as box:

            async def refuse(*_: object, **__: object) -> None:
                raise IngestError("storage_full")

            box.urgent.add("store_unwritable")
            with monkeypatch.context() as patch:
                patch.setattr(box.store, "write", refuse)
                box.wrong["store_unwritable"] = "the store is full"
                await box.looks(1)
                await until(lambda: len(hook.taken) == 1, "it goes out from memory")
                assert await alarms.load(box.store) == ([], [])
            await box.looks(1)
            raised, notices = await alarms.load(box.store)
            assert ([each.name for each in raised], notices) == (["store_unwritable"], [])

    with receiver() as hook:
        run(test(hook))


def test_a_look_that_fails_is_not_the_last(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        clock = HeldClock()
        async with opened(tmp_path, clock) as store:
            looks = 0

            async def look() -> list[Condition]:
                nonlocal looks
                looks += 1
                if looks == 1:
                    raise RuntimeError("a part that breaks")
                return [Condition(LANE, False, "refused")]

            watching = Alarms(store, look, None, seconds=0.001, clock=clock)
            await watching.start()
            await until(lambda: watching.raised, "it looks again")
            await watching.stop()

    run(test())
    assert len(lines(caplog, "The look for alarms failed; it goes on.")) == 1


def test_of_the_address_only_where_it_is_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def test(hook: Receiver) -> None:
        url = hook.url.replace("http://", "http://someone:hidden-password@")
        hidden = f"{url}/hidden-path?key=hidden-query"
        async with boxed(tmp_path, hidden) as box:
            await box.turn_bad(LANE)
            await box.pass_time(lambda: hook.taken, "it is taken in the end")
            assert hook.posts[0].path == "/hook/hidden-path?key=hidden-query"
            assert hook.posts[0].headers["authorization"].startswith("Basic ")

    with receiver(lambda number: Answer(500 if number == 0 else 200)) as hook:
        run(test(hook))
    said = " ".join(str(vars(record)) for record in caplog.records if record.name.startswith("ingestbox"))
    assert "Alarms cannot be posted" in said
    for secret in ("hidden", "someone", SECRET, SECRET.removeprefix("whsec_")):
        assert secret not in said


@pytest.mark.parametrize(
    ("url", "secret"),
    [
        ("https://host/x", "without-the-prefix"),
        ("https://host/x", "whsec_c2hvcnQ="),
        ("https://host/x", "whsec_" + "A" * 100),
        ("https://host/x", "whsec_not base64 at all, but long enough!!"),
        ("", "whsec_c2hvcnQ="),
        ("https://", SECRET),
        ("https://host:nonsense/x", SECRET),
    ],
)
def test_what_cannot_be_used_ends_the_start_without_showing_it(url: str, secret: str) -> None:
    with pytest.raises(StartupError) as refused:
        webhook_of(config.Alarms(webhook_url=url, webhook_secret=secret), HeldClock())
    assert "[alarms] webhook_" in str(refused.value)
    assert secret not in str(refused.value)


def test_without_a_secret_it_is_posted_unsigned(tmp_path: Path) -> None:
    async def test(hook: Receiver) -> None:
        async with boxed(tmp_path, hook.url, secret="") as box:
            await box.turn_bad(LANE)
            await until(lambda: hook.taken, "it is taken")
            assert "webhook-signature" not in hook.taken[0].headers

    with receiver() as hook:
        run(test(hook))


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    async def test(hook: Receiver) -> None:
        webhook = Webhook(config.Alarms(webhook_url=hook.url.replace("http://", "https://")), HeldClock())
        failure = await webhook.post("msg_1", b"{}")
        await webhook.close()
        assert failure is not None
        assert failure.reason == "its certificate is not to be trusted"
        assert hook.posts == []

    with receiver() as hook:
        assert hook._server is not None
        hook._server.socket = self_signed(tmp_path).wrap_socket(hook._server.socket, server_side=True)
        run(test(hook))
