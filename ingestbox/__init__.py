"""ingestbox: takes records in, never loses one it said yes to, and forwards them when it can."""

__version__ = "0.1.0"
