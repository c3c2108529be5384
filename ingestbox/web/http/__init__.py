"""HTTP on the wire: `server` listens and stops, `listener` accepts, `protocol` is one connection (`heads` and
`slices` are parts of it), `connections` says which may stay, `tls` who speaks HTTPS."""
