"""Waking workers: the bell, and the Huey queue that it hangs on."""

from ingestbox.workqueue.bell import Bell

__all__ = ["Bell"]
