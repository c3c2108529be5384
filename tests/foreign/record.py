"""What the program `webhook` runs for each batch: checks its signature by the stock library, and keeps it.

Takes the folder and the secret as arguments; the headers and the file with the body from the environment. A
batch that comes twice has the same id, and so is kept once. Anything wrong ends it with an error, which
`webhook` answers with a 500: the lane sends the batch again.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from standardwebhooks.webhooks import Webhook

HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

folder, secret = Path(sys.argv[1]), sys.argv[2]
headers = {name: os.environ[name.upper().replace("-", "_")] for name in HEADERS}
body = Path(os.environ["BODY"]).read_bytes()
Webhook(secret).verify(body, headers, json_parse=False)

kept = folder / f"{headers['webhook-id']}.json"
partial = kept.with_suffix(f".{os.getpid()}")
partial.write_bytes(body)
partial.replace(kept)
