"""`/v1/settings`: each value with where it comes from, and no secret."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ingestbox.model import Role
from tests.harness import BoxProcess, running

CONFIG = """\
[server]
stop_seconds = 9

[auth]
api_keys = ["not-for-anybody-to-see-0123456789abc"]

[[lanes]]
name = "central"
url = "http://someone:hi@hidden@127.0.0.1:9/v1/sync/batches?key=hidden"
token = "hidden-as-well"
token_header = "X-Key"

[[lanes]]
name = "other"
url = "http://127.0.0.1:9/v1/sync/batches#hidden"

[alarms]
webhook_url = "http://127.0.0.1:9/hidden/path"
webhook_secret = "whsec_aGlkZGVuIGhpZGRlbiBoaWRkZW4gaGlkZGVu"

[console]
admin_email = "first@example.com"
admin_password = "a long and hidden password"

[enrich.sentiment]
url = "http://127.0.0.1:9/?hidden"
token = "hidden-too"
"""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxProcess]:
    environ = {"INGESTBOX_WORK_WORKERS": "2"}
    with running(tmp_path_factory.mktemp("box"), config=CONFIG, environ=environ) as started:
        yield started


def test_each_value_says_where_it_comes_from(box: BoxProcess) -> None:
    with box.client() as client:
        body: dict[str, Any] = client.get("/v1/settings").raise_for_status().json()
    assert body["file"].endswith("ingestbox.toml")
    found = {(each["section"], each["key"]): each for each in body["settings"]}
    stop, workers = found["[server]", "stop_seconds"], found["[work]", "workers"]
    assert (stop["value"], stop["source"], stop["place"]) == (9.0, "file", f"{body['file']}, line 2")
    assert (workers["value"], workers["source"]) == (2, "environment")
    assert workers["place"] == workers["variable"] == "INGESTBOX_WORK_WORKERS"
    assert found["[server]", "port"]["source"] == "flag"
    assert found["[server]", "host"]["source"] == "default"
    assert all(each["description"].endswith(".") for each in body["settings"])


def test_no_secret_is_shown(box: BoxProcess) -> None:
    with box.client() as client:
        text = client.get("/v1/settings").text
    assert "not-for-anybody" not in text
    assert "hidden" not in text
    assert "someone" not in text
    assert "hi@" not in text
    assert "aGlkZGVu" not in text
    assert "127.0.0.1:9/v1/sync/batches" in text


def test_only_who_operates_the_box_sees_them(box: BoxProcess) -> None:
    with box.client(workspace="acme") as other, box.client(Role.ANALYST) as analyst:
        assert other.get("/v1/settings").status_code == 403
        assert analyst.get("/v1/settings").status_code == 403
