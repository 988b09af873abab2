"""Where images come from and go to, a module a kind of place; the verbs of `engine/images` know only the two Protocols of `base`.

    base               Source, Destination, and the words that name a place: `oci:DIR:TAG` becomes a Place
    registry           docker://NAME, and names without a transport
    docker_archive     docker-archive:FILE
    oci_layout         oci:DIR, oci-archive:FILE
    directory          dir:DIR
      files, drafts    what these three lie in, to read and to write: a folder, or a tar
    places             the table of them all

Called by pull, push and export.
"""
