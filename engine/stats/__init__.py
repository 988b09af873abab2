"""What a container uses: the texts of the kernel's control files become values, and two values a rate.

Pure: nothing here reads a file. Who has the texts (the runtime, by `linux.cgroups.texts`) calls

    part = cgroup_v2 if version == 2 else cgroup_v1
    usage = part.usage(cgroups.texts(cgroup, part.FILES), host_memory)
    received, sent = net.totals(Path(f"/proc/{pid}/net/dev").read_text())

and makes a `sample.Sample` of both. To see the texts for yourself: `head /sys/fs/cgroup/memory/*/memory.*`.
"""
