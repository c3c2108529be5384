"""Where articles come from: sources are kept, looked at before they are crawled, and missed when quiet."""
