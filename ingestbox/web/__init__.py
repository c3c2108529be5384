"""The door: HTTP in, authenticated and bounded requests to handlers, shaped replies out.

`http` is the server; `app` the ASGI application, which asks `policy` and `routing` (whose endpoints `binding`
makes of `route.Route` data); `bodies`, `inflate` and `budget` read what was sent, within its caps; `replies`
says how answers and errors look; `box` is what a family's handlers see of the ledger. `service`, `login`,
`metrics`, `v1` and `openapi` hold the box's own routes. Who asks is `ingestbox.identity`'s business.
"""
