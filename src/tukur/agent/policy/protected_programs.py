"""Programs that a machine depends on: no order acts on them unless the host's policy file names them."""

PROTECTED_PROGRAMS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "it runs the machine",
        (
            *("init", "systemd", "systemd-*", "runit", "s6-svscan", "openrc-init", "udevd"),
            *(
                "dbus-daemon",
                "dbus-broker",
                "dbus-broker-launch",
                "polkitd",
                "multipathd",
                "iscsid",
                "dmeventd",
            ),
        ),
    ),
    ("it lets people in", ("sshd", "sshd-session", "sshd-auth", "dropbear", "login", "agetty", "tailscaled")),
    (
        "people work in it",
        ("gdm3", "gdm", "sddm", "lightdm", "Xorg", "Xwayland", "gnome-shell", "kwin_wayland"),
    ),
    ("it keeps the network", ("NetworkManager", "wpa_supplicant", "dhclient", "dhcpcd", "netplan")),
    (
        "it is a database, which may lose what it has not written",
        (
            *("mysqld", "mariadbd", "postgres", "mongod", "redis-server", "valkey-server", "etcd"),
            *("influxd", "clickhouse*", "cassandra", "prometheus", "victoria-metrics*"),
        ),
    ),
    (
        "it runs containers or virtual machines",
        (
            *("dockerd", "containerd", "containerd-shim*", "conmon", "crio", "kubelet", "k3s*"),
            *("libvirtd", "virtqemud", "lxcfs"),
        ),
    ),
)
"""Reasons, each with patterns (fnmatch) of the executables' names."""
