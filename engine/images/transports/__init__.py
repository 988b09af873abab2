"""Where images come from and go to, a module a kind of place; the verbs of `engine/images` know only the two Protocols of `base`.

    base               Source, Destination, and the words that name a place: `oci:DIR:TAG` becomes a Place
    registry           docker://NAME, and names without a transport
    docker_archive     docker-archive:FILE
    oci                oci:DIR, oci-archive:FILE
    directory          dir:DIR

Called by pull, push and export.
"""
