"""The type of the structured output."""

from pydantic import BaseModel


class City(BaseModel):
    """A city."""

    name: str
    population: int
