"""The embedded upstream at any address: ``python upstream.py HOST PORT``."""

from __future__ import annotations

import sys

import uvicorn

from clawmatrix_model_proxy.demo.embedded import Stats, make_app

if __name__ == "__main__":
    uvicorn.run(make_app(Stats()), host=sys.argv[1], port=int(sys.argv[2]), log_level="warning")
