"""A module of one's own: image:resize makes a picture smaller."""

from pathlib import Path
from typing import Annotated

from PIL import Image
from pydantic import Field

from nexq import Module

module = Module("image", about="Pictures, by Pillow.")
Pixels = Annotated[int, Field(ge=1, le=10_000)]


@module.handler("resize", mode="process", timeout=60)
def resize(source: Path, target: Path, width: Pixels, height: Pixels | None = None) -> dict[str, int]:
    """Make a picture at most so wide, and so high; its shape stays."""
    with Image.open(source) as picture:
        picture.thumbnail((width, height or width))
        picture.save(target)
        return {"width": picture.width, "height": picture.height}
