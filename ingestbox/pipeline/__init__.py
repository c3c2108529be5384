"""From a claimed job to settled records: chunks, the children that compute them, and retry decisions."""
