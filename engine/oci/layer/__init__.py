"""Layers as the OCI image-spec has them (layer.md): from a tar stream to a directory tree.

    compressed stream ──compression──▶ tar stream ──entries──▶ Entry, data ──apply──▶ a directory, and a diff ID
                                                               └ names ┘    └ places ┘

`unpack` puts the pieces together. As root it does so in a child process that is locked into the directory it fills;
what a hostile layer tries, it tries there. Called by `engine/storage`.
"""
