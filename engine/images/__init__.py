"""Images: a file a verb, each a function over the host.

    import_ build pull push export list inspect history tag remove search collect, and lookup, through which all of them find
    their image; what they share: resolve (which of an index), arrivals, together, stack; transports/ and registries/

An image is a row of the state (`podlink.engine.state.images`) that names what is on the disk:

    row ── manifest, configuration (bytes, in the row itself)
     └──── layers ──▶ root/blobs/sha256/DIGEST        the layer as it came, compressed or not
                 └──▶ root/overlay/…CHAIN-ID…         the layer unpacked; images with equal layers share it

The row is written last and removed first, so that whatever it names is there. What no row names is garbage, and
`collect` removes it. Both orders are kept apart by one lock, `LOCK`: whoever gives a layer or a blob its name until the row
is there, and whoever removes what no row names, holds it. Unpacking a layer takes no lock.

Called by the container verbs (lookup), by the object API and by the interface's handlers.
"""

LOCK = "images"
"""The key, among the state's locks, under which layers and blobs come by their names and lose them."""
