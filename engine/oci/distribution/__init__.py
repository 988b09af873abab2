"""The OCI distribution-spec, and Docker's registry protocol version 2 that it grew from: images over HTTP. Wire only, no store.

    client         the verbs: manifests, blobs                    listing    what a registry lists: tags, catalog, search
      download     a blob as a stream that goes on where the connection broke
      upload       a blob in chunks that goes on where the connection broke
        exchange   one request, until its answer is neither a 401 nor a failure that passes
          retry    which failures are worth another try, and when; refusal: what was said
          auth     a 401's challenge becomes credentials or a token
          connection   HTTP: TLS, proxies, redirects, bounded bodies; nothing else knows urllib3
    web            a file at a URL, for import
    endpoint       which server, and how it may be spoken to: values

    GET  /v2/team/app/manifests/1.2             the manifest, by tag or digest
    GET  /v2/team/app/blobs/sha256:9f86…        a blob; often redirects to another host
    POST /v2/team/app/blobs/uploads/            opens an upload, whose address is in the answer's Location

What a registry says is not trusted: sizes are bounded, redirects counted, credentials sent to nobody but the registry and the
token service that it names. Called by the images layer, which knows which server to ask and with what credentials.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""
