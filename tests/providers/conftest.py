"""Pools of connections, closed after the test that made them."""

import ssl
from collections.abc import AsyncGenerator

import pytest
from upstream_world import Pooled

from freehold.providers.connection import PoolLimits
from freehold.providers.pool import Pool


@pytest.fixture
async def pooled() -> AsyncGenerator[Pooled]:
    pools: list[Pool] = []

    def made(url: str, tls: ssl.SSLContext | None = None, **limits: float) -> Pool:
        pool = Pool(url, name="acme", limits=PoolLimits(**limits), tls=tls)  # type: ignore[arg-type]
        pools.append(pool)
        return pool

    yield made
    for pool in pools:
        await pool.close()
