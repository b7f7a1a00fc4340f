"""The ``gemini`` plugin."""

from __future__ import annotations

from clawmatrix_core import hookimpl
from clawmatrix_gemini.names import API, SEALER
from clawmatrix_model_proxy.api import ModelApi

__all__ = ["GeminiPlugin"]


class GeminiPlugin:
    """Adds the API ``google-generative-ai``; the models of it are those of the configuration."""

    plugin_name = "gemini"
    extends = ("model-proxy",)

    @hookimpl
    def register_model_apis(self) -> list[ModelApi]:
        """Return the APIs that upstreams may speak."""
        # Imported here: a node that serves no models does without.
        from clawmatrix_gemini.codec import GeminiCodec

        return [
            ModelApi(
                API,
                {SEALER: "models/{model}:generateContent"},
                GeminiCodec(),
                key_header=("x-goog-api-key", ""),
                stream_path="models/{model}:streamGenerateContent?alt=sse",
            )
        ]
