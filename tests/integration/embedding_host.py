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

from clawmatrix_core import ClawMatrixError, Config, Node, hookimpl
from clawmatrix_http.api import http_access
from clawmatrix_model_proxy.api import ModelError, ModelUpstream, serve_models, stream_model

PLUGINS = ["mesh", "relay", "http", "model-proxy"]  # without "http" the host may run trio
NOT_THERE_YET = ("model_not_found", "node_unreachable")
PATIENCE = 60  # seconds: a model whose name is misspelt looks like one that is still to come


class News:
    """A plugin of the host's own: it tells the host that nodes, models or routes have changed."""

    def __init__(self) -> None:
        self.next = anyio.Event()

    @hookimpl
    async def peer_changed(self) -> None:
        self._tell()

    @hookimpl
    async def routes_changed(self) -> None:
        self._tell()

    def _tell(self) -> None:
        self.next.set()
        self.next = anyio.Event()


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


async def stop_on_signal(node: Node) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            node.stop()


async def ask(node: Node, news: News, model: str, question: str) -> None:
    body = {"messages": [{"role": "user", "content": question}]}
    give_up = anyio.current_time() + PATIENCE
    while True:
        changed = news.next
        try:
            async with stream_model(node, model, body) as events:
                async for event in events:
                    for choice in event.get("choices", []):
                        print(choice["delta"].get("content") or "", end="", flush=True)
            print()
            return
        except ModelError as error:
            if error.code not in NOT_THERE_YET or anyio.current_time() >= give_up:
                print(f"{model} gave no answer: {error.status} {error.code}: {error.message}")
                return
        with anyio.CancelScope(deadline=give_up):
            await changed.wait()


async def run(told: argparse.Namespace) -> None:
    news = News()
    logger = logging.getLogger("host.node")
    async with Node(configured(told), plugins=[*PLUGINS, news], logger=logger) as node:
        models = [one.partition("=") for one in told.serve]
        await serve_models(node, [ModelUpstream(name, url) for name, _, url in models])
        access = http_access(node)  # access.token is what the clients of access.url show
        print("programs ask at", access.url if access else "no URL", flush=True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_on_signal, node)
            if told.ask:
                tasks.start_soon(ask, node, news, told.ask, "Count to 5, please")
            await node.wait_stop()
            tasks.cancel_scope.cancel()
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
        return getattr(error, "exit_code", 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
