"""What `ingestbox demo` is made of: a folder, boxes, a screen, and the tour through them."""
