"""A host: a program that embeds a node, serves a model to the mesh, and asks for one.

python host.py office --listen 127.0.0.1:19000 --serve qwen3=http://127.0.0.1:11434/v1
python host.py home --peer ws://127.0.0.1:19000 --ask office/qwen3
"""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path

import anyio

from clawmatrix_core import ClawMatrixError, Config, Node
from clawmatrix_http.api import http_access
from clawmatrix_model_proxy.api import (
    ModelError,
    ModelUpstream,
    serve_models,
    stream_model,
    wait_for_model,
)

PLUGINS = ["mesh", "relay", "http", "model-proxy"]  # without "http" the host may run trio
PATIENCE = 60  # seconds: a model whose name is misspelt looks like one that is still to come
GRACE = 20  # seconds that the host's own answers may take once it is to stop


def configured(told: argparse.Namespace) -> Config:
    mesh = {"peers": told.peer}
    return Config.from_mapping(
        {
            "node_id": told.name,
            "secret": os.environ["MESH_SECRET"],
            "state_dir": str(Path(told.state) / told.name),
            "mesh": {**mesh, "listen": told.listen} if told.listen else mesh,
            "http": {"listen": "127.0.0.1:0"},
        }
    )


async def wait_for_signal() -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            return  # a second one ends the program at once


async def ask(node: Node, model: str, question: str) -> None:
    body = {"messages": [{"role": "user", "content": question}]}
    with anyio.move_on_after(PATIENCE):
        await wait_for_model(node, model)
    try:
        async with stream_model(node, model, body) as events:
            async for event in events:
                for choice in event.get("choices", []):
                    print(choice["delta"].get("content") or "", end="", flush=True)
        print()
    except ModelError as error:
        print(f"{model} gave no answer: {error.status} {error.code}: {error.message}")


async def run(told: argparse.Namespace) -> None:
    logger = logging.getLogger("host.node")
    async with Node(configured(told), plugins=PLUGINS, logger=logger) as node:
        models = [one.partition("=") for one in told.serve]
        await serve_models(node, [ModelUpstream(name, url) for name, _, url in models])
        access = http_access(node)  # access.token is what the clients of access.url show
        print("programs ask at", access.url if access else "no URL", flush=True)
        async with anyio.create_task_group() as answers:  # it ends when all of them have ended
            if told.ask:
                answers.start_soon(ask, node, told.ask, "Count to 5, please")
            await wait_for_signal()
            await serve_models(node, [])
            answers.cancel_scope.deadline = anyio.current_time() + GRACE
    print("stopped", flush=True)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=__doc__)
    made.add_argument("name")
    made.add_argument("--state", default="state", help="folder for the keys of nodes")
    made.add_argument("--listen", help="host and port for other nodes")
    made.add_argument("--peer", action="append", default=[], help="URL of another node")
    made.add_argument("--serve", action="append", default=[], help="MODEL=URL of an upstream")
    made.add_argument("--ask", help="model to ask a question")
    return made


def main() -> int:
    logging.basicConfig(level=logging.WARNING)
    try:
        anyio.run(run, parser().parse_args())
    except ClawMatrixError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
