"""`ingestbox send`: from files to batches or forms, and from these to jobs on a box."""
