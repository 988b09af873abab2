#!/bin/sh
# systemd's varlinkctl as a client of `podlink serve` (Debian 13; systemd 257). Needs no root.
set -eu
for program in podlink varlinkctl; do
    command -v "$program" > /dev/null || { echo "$program is not on the PATH" >&2; exit 1; }
done
folder=$(mktemp -d)
trap 'kill "$service" 2> /dev/null || :; wait "$service" || :; rm -rf "$folder"' EXIT
podlink serve --runtime emulator --root "$folder/root" --runroot "$folder/run" "unix:$folder/socket" &
service=$!
until [ -S "$folder/socket" ]; do
    sleep 0.1
    kill -0 "$service" # fails, and so does all of this, where the service could not start
done

podman() { # METHOD PARAMETERS [OPTION]...
    method=$1 parameters=$2
    shift 2
    varlinkctl call "$@" "$folder/socket" "io.projectatomic.podman.$method" "$parameters"
}

varlinkctl info "$folder/socket"
varlinkctl introspect "$folder/socket" io.projectatomic.podman > "$folder/podman.varlink"
varlinkctl validate-idl "$folder/podman.varlink" > "$folder/validated"
podman Ping '{}'

# An image of one program, for which the emulator has its own.
mkdir -p "$folder/files/bin"
: > "$folder/files/bin/echo"
chmod 755 "$folder/files/bin/echo"
tar -C "$folder/files" -cf "$folder/small.tar" bin
podman ImportImage "{\"source\": \"$folder/small.tar\", \"reference\": \"small\", \"message\": \"\", \"changes\": []}"

podman CreateContainer '{"create": {"image": "small", "name": "web", "command": ["/bin/echo", "ready"]}}'
podman StartContainer '{"name": "web"}'
podman WaitContainer '{"name": "web"}'
podman GetContainerLogs '{"name": "web"}' --more
podman RemoveContainer '{"name": "web", "force": false}'

# An error of the interface: its name on stderr, its parameters on stdout, and an exit status that is not 0.
if podman StartContainer '{"name": "nobody"}'; then exit 1; fi
