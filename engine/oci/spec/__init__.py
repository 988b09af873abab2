"""The OCI runtime-spec: `build.build` makes the config.json of a container from its settings and facts about the host.

    ContainerConfig   what CreateContainer settled     \\
    Placement         where this start happens           >  build()  >  config.json  >  runc run --bundle
    HostFacts         what this host can do            /

Pure: the same three values always give the same document; `fixtures/spec/` has a case in each of its folders. One to try:
`cat fixtures/spec/default/spec.json`. https://github.com/opencontainers/runtime-spec/blob/v1.0.2/spec.md
"""
