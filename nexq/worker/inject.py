"""Resolving what a handler's parameters ask for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from typing import Any

from nexq.depends import Context, Dependency
from nexq.errors import ConfigError
from nexq.signature import Signature


class Injector:
    """Makes dependencies: those of a job anew for each run, those of the worker once."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._kept: dict[Callable[..., Any], Any] = {}
        self._wishes: dict[Callable[..., Any], Mapping[str, Dependency | type[Context]]] = {}
        self._making = asyncio.Lock()

    async def resolve(
        self, wishes: Mapping[str, Dependency | type[Context]], context: Context, stack: AsyncExitStack
    ) -> dict[str, Any]:
        """Parameter -> value. What must be cleaned up after the run goes on `stack`."""
        made: dict[Callable[..., Any], Any] = {}
        return {name: await self._value(wish, context, stack, made) for name, wish in wishes.items()}

    async def aclose(self) -> None:
        """Clean up the worker's dependencies, the newest first."""
        await self._stack.aclose()

    async def _value(
        self,
        wish: Dependency | type[Context],
        context: Context,
        stack: AsyncExitStack,
        made: dict[Callable[..., Any], Any],
    ) -> Any:
        if not isinstance(wish, Dependency):
            if made is self._kept:
                raise ConfigError("What is made once for the worker cannot ask for a job's Context.")
            return context
        if wish.scope == "worker" and made is not self._kept:
            if wish.provide not in self._kept:
                # Once, also when jobs ask together. What it needs itself is made under the same lock.
                async with self._making:
                    await self._value(wish, context, self._stack, self._kept)
            return self._kept[wish.provide]
        if wish.provide not in made:
            made[wish.provide] = await self._make(wish, context, stack, made)
        return made[wish.provide]

    async def _make(
        self, wish: Dependency, context: Context, stack: AsyncExitStack, made: dict[Callable[..., Any], Any]
    ) -> Any:
        provide = wish.provide
        wishes = self._wishes.get(provide)
        if wishes is None:
            signature = Signature(provide, f"dependency {getattr(provide, '__qualname__', provide)!r}")
            wishes = self._wishes[provide] = signature.injects
        kwargs = {name: await self._value(w, context, stack, made) for name, w in wishes.items()}
        if inspect.isasyncgenfunction(provide):
            return await stack.enter_async_context(asynccontextmanager(provide)(**kwargs))
        if inspect.isgeneratorfunction(provide):
            return stack.enter_context(contextmanager(provide)(**kwargs))
        value = provide(**kwargs)
        if inspect.isawaitable(value):
            value = await value
        if isinstance(value, AbstractAsyncContextManager):
            return await stack.enter_async_context(value)
        if isinstance(value, AbstractContextManager):
            return stack.enter_context(value)
        return value
