"""Whether the service is there; for whoever watches it, and has no key."""

from fastapi import APIRouter

from cpo_central.rest.parts import Document, Given

router = APIRouter(prefix="/health", tags=["health"])


class Health(Document):
    """That we are there."""

    status: str
    connected: int
    """Charge points."""


@router.get("", summary="Whether the service is there")
async def health(parts: Given) -> Health:
    """Needs no key, and tells nothing else."""
    return Health(status="ok", connected=len(parts.chargers.connected()))
