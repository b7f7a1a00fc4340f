"""A friend: a program that asks for an answer again and again, and notes how each call went.

It is a process of its own, so that the work of an attack does not count as waiting. Each line
it writes is the time at which a call began (``time.monotonic``), its seconds, and its status; 0
is no answer.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import time

GAP = 0.05
"""Seconds between two calls."""
PATIENCE = 20.0
"""Seconds after which a call counts as one without an answer."""


def call(port: int, token: str, model: str) -> tuple[int, str]:
    """Return the status of one call, and what went wrong where it is 0."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        said = answer.read()
        return answer.status, "" if answer.status == 200 else said[:200].decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error)
    finally:
        connection.close()


def main(port: int, model: str) -> None:
    """Call until this process is ended."""
    token = os.environ["FRIEND_TOKEN"]
    while True:
        began = time.monotonic()
        status, words = call(port, token, model)
        print(json.dumps([began, time.monotonic() - began, status, words]), flush=True)
        time.sleep(GAP)  # a friend calls at a pace, not as fast as it can


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
