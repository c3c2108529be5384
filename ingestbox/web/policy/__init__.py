"""What the operator set about who may ask, and how often: hosts, origins of pages, proxies, prefix, rates."""
