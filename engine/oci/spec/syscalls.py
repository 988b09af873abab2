"""The system calls by subject: what every container may call, what takes a capability, what none may. syscalls(2)

A name that a machine or its kernel does not have is passed over by the runtime: 32-bit and ARM variants stand beside their
64-bit sisters, and newer calls are listed before every kernel has them. Each name is in one place only; a test sees to it.

Left out, and so answered ENOSYS, are
    clone3                              seccomp.py says why
    io_uring_setup, _enter, _register   its requests are carried out past the filter
    socketcall                          on x86, all socket calls behind one pointer: C libraries fall back to the single calls
    vm86, uselib, nfsservctl, …         what the kernel itself no longer has, or keeps for programs of the nineties
"""

ALLOWED = {
    "reading and writing": """
        read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek
        sendfile sendfile64 splice tee vmsplice copy_file_range readahead fadvise64 fadvise64_64 arm_fadvise64_64 cachestat
        io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64
    """,
    "descriptors": """
        open openat openat2 creat close close_range dup dup2 dup3 fcntl fcntl64 flock ioctl pipe pipe2 memfd_create memfd_secret
        truncate truncate64 ftruncate ftruncate64 fallocate
        fsync fdatasync sync syncfs sync_file_range sync_file_range2 arm_sync_file_range
    """,
    "directories and names": """
        getcwd chdir fchdir getdents getdents64 mkdir mkdirat rmdir rename renameat renameat2 link linkat unlink unlinkat
        symlink symlinkat readlink readlinkat mknod mknodat name_to_handle_at umask
    """,
    "attributes of files": """
        stat stat64 fstat fstat64 lstat lstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs fstatfs64
        access faccessat faccessat2 chmod fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 fchownat lchown lchown32
        utime utimes futimesat utimensat utimensat_time64
        getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat
        listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat
    """,
    "waiting for events": """
        poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64
        epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
        eventfd eventfd2 signalfd signalfd4 inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
    """,
    "memory": """
        brk mmap mmap2 munmap mremap mprotect msync mincore madvise mlock mlock2 munlock mlockall munlockall remap_file_pages
        pkey_alloc pkey_free pkey_mprotect membarrier map_shadow_stack mseal process_mrelease
    """,
    "processes and threads": """
        fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid
        getpgid setpgid getpgrp getsid setsid set_tid_address get_robust_list set_robust_list restart_syscall rseq
        pidfd_open pidfd_send_signal prctl arch_prctl modify_ldt get_thread_area set_thread_area
        get_tls set_tls cacheflush breakpoint
    """,
    "debugging one's own": """
        ptrace process_vm_readv process_vm_writev
    """,
    "waiting for one another": """
        futex futex_time64 futex_waitv futex_wake futex_wait futex_requeue
    """,
    "scheduling": """
        sched_yield sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr sched_setattr
        sched_get_priority_max sched_get_priority_min sched_rr_get_interval sched_rr_get_interval_time64
        sched_getaffinity sched_setaffinity getpriority setpriority nice ioprio_get ioprio_set getcpu
    """,
    "signals": """
        kill tkill tgkill pause alarm signal sigaction sigprocmask sigpending sigsuspend sigreturn sigaltstack
        rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigreturn rt_sigqueueinfo rt_tgsigqueueinfo
        rt_sigtimedwait rt_sigtimedwait_time64
    """,
    "time": """
        time gettimeofday times nanosleep clock_gettime clock_gettime64 clock_getres clock_getres_time64
        clock_nanosleep clock_nanosleep_time64 getitimer setitimer
        timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
        timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64
        adjtimex clock_adjtime clock_adjtime64
    """,
    "users, groups and capabilities": """
        getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getgroups getgroups32
        getresuid getresuid32 getresgid getresgid32 setuid setuid32 setgid setgid32 setgroups setgroups32
        setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32
        setfsuid setfsuid32 setfsgid setfsgid32 capget capset
    """,
    "limits and accounts": """
        getrlimit ugetrlimit setrlimit prlimit64 getrusage sysinfo uname getrandom
    """,
    "sockets, once made": """
        bind connect listen accept accept4 shutdown getsockname getpeername getsockopt setsockopt
        send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64
    """,
    "System V and POSIX queues, semaphores, shared memory": """
        ipc msgget msgsnd msgrcv msgctl semget semop semctl semtimedop semtimedop_time64 shmget shmat shmdt shmctl
        mq_open mq_unlink mq_timedsend mq_timedsend_time64 mq_timedreceive mq_timedreceive_time64 mq_notify mq_getsetattr
    """,
    "filtering oneself further": """
        seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
    """,
}

GATED = (
    (
        frozenset({"CAP_SYS_ADMIN"}),  # mounts and namespaces: the walls of the container
        """
        mount umount umount2 pivot_root mount_setattr move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick
        listmount statmount setns unshare sethostname setdomainname fanotify_init quotactl quotactl_fd lookup_dcookie
        """,
    ),
    (frozenset({"CAP_SYS_ADMIN", "CAP_BPF"}), "bpf"),
    (frozenset({"CAP_SYS_ADMIN", "CAP_PERFMON"}), "perf_event_open"),
    (frozenset({"CAP_SYS_ADMIN", "CAP_SYSLOG"}), "syslog"),
    (frozenset({"CAP_DAC_READ_SEARCH"}), "open_by_handle_at"),  # opens by inode number, past every mount
    (frozenset({"CAP_SYS_PTRACE"}), "kcmp pidfd_getfd process_madvise"),
    (frozenset({"CAP_SYS_MODULE"}), "init_module finit_module delete_module"),
    (frozenset({"CAP_SYS_RAWIO"}), "iopl ioperm"),
    (frozenset({"CAP_SYS_TIME"}), "settimeofday stime clock_settime clock_settime64"),
    (frozenset({"CAP_SYS_PACCT"}), "acct"),
    (frozenset({"CAP_SYS_BOOT"}), "reboot"),
    (frozenset({"CAP_SYS_CHROOT"}), "chroot"),
    (frozenset({"CAP_SYS_TTY_CONFIG"}), "vhangup"),
    (
        frozenset({"CAP_SYS_NICE"}),
        "get_mempolicy set_mempolicy set_mempolicy_home_node mbind migrate_pages move_pages",
    ),
)
"""(any of these capabilities, the calls that it opens). What the kernel gates in part, as adjtimex(2), stays in ALLOWED."""

REFUSED = {
    "another kernel in place of this one": "kexec_load kexec_file_load",
    "the host's swap": "swapon swapoff",
    "keys, which no namespace keeps apart": "add_key request_key keyctl",
    "page faults handled by a program, which holds the kernel still in the middle of a copy": "userfaultfd",
}
"""Refused with or without capabilities. They are named, not left out, so that programs hear EPERM."""
