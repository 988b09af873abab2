"""The Open Container Initiative's specifications, a folder each: pure functions between their documents and our values.

    spec/           runtime-spec: config.json, what a container runtime is to run
    image/          image-spec: manifest, configuration, index
    layer/          image-spec: a layer's tar and a directory tree

Called by the layers that touch the host (storage, runtime, images, containers); reads no clock, no file of the host, no network.
https://github.com/opencontainers
"""
