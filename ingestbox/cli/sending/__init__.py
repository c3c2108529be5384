"""`ingestbox send`: from a file to batches, and from batches to jobs on a box."""
