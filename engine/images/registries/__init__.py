"""What this machine's user and administrator say of registries, read from the files that podman and skopeo read too.

    configuration   values: which registries a short name means, where an image really is, what is blocked
    files           registries.conf (containers-registries.conf(5)), version 2 and 1, and its drop-ins
    credentials     auth.json (containers-auth.json(5)), Docker's config.json, credential helpers
    certificates    certs.d (containers-certs.d(5))
    servers         all of these together: a place in a registry becomes an Endpoint of `oci.distribution`
    surroundings    where those files are: the environment and /etc

Files are read anew at each verb, so that a change to them counts at once. Called by the registry transport and by search.
"""
