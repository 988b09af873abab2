"""Programs of the host: where they are looked for, whatever the PATH of whoever started the engine says."""

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
