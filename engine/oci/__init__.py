"""The Open Container Initiative's specifications, a folder each: between their documents and our values.

    spec/           runtime-spec: config.json, what a container runtime is to run
    image/          image-spec: manifest, configuration, index
    layer/          image-spec: a layer's tar and a directory tree
    distribution/   distribution-spec: registries over HTTP, the only one of them that is not pure

Called by the layers that touch the host (storage, runtime, images, containers). But for distribution/ nothing here reads a clock,
a file of the host or the network.
https://github.com/opencontainers
"""
