"""What the box fetches for others: pages at addresses that somebody else names, and nothing inside."""
