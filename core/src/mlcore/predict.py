"""The type of a composed predict: what wrappers take and give, and what a model host calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from mlcore_protocol import InferenceRequest, InferenceResponse

Predict = Callable[[InferenceRequest], Awaitable[InferenceResponse]]
