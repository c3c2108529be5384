"""The door: HTTP in, authenticated and bounded requests to handlers, shaped replies out.

`server` listens and stops; `app` is the ASGI application; `identity` says who asks (`tokens`, `apikeys`,
`secretfile`); `bodies` and `inflate` read what was sent, within its caps; `routing` and `binding` turn
`family.Route` data into endpoints; `replies` says how answers and errors look; `service` has the public
health routes.
"""
