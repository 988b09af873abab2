"""OCI image-spec as values: the manifest, the configuration, and how layers are named. Pure: bytes in, values out, and back.

    manifest ──config──▶ image configuration: what to run, as whom, with what environment; diff IDs; history
        │                its digest is the image's ID
        └────layers────▶ tars, as they travel (compressed): named by the digest of their own bytes
                         unpacked they are named by chain ID, which says what they stand on

Bytes that come from outside are hostile: they are bounded, and each field's type is checked, before a value exists.
Called by `engine/images` and by whoever needs what an image says of its containers.
"""
