"""What is kept on disk of images and containers: blobs as they came, layers unpacked, and writable layers over them.

    content   ROOT/blobs/sha256/9f86…        a file for each blob, named by its own digest
    driver    the Protocol of what keeps layers: `overlay` (overlayfs, root) and `vfs` (copied directories, no root)
    layers    a compressed tar becomes a layer of a driver

Nothing here knows of images or containers beyond an ID, and nothing is recorded elsewhere: a directory that has its
final name is whole and on the disk. Called by `engine/images` and `engine/containers`. Try it:

    python -c "from podlink.engine.storage.vfs import VfsDriver; from pathlib import Path;
    print(VfsDriver(Path('/tmp/v')).status())"
"""
