"""Where images come from and go to, a module a kind of place; the verbs of `engine/images` know only the two Protocols of `base`.

    base               Source, Destination, and the words that name a place: `oci:DIR:TAG` becomes a Place
    registry           docker://NAME, and names without a transport
    files              a folder, and the members of a tar
    sources            what lies in files: oci:DIR, oci-archive:FILE, docker-archive:FILE, dir:DIR
    places             the table of them all

Called by pull, push and export.
"""
