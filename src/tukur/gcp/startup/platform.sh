#!/bin/sh
# The start script of the platform's VM (Debian 12): the hub and its database, by Compose. Run at every boot.
#
#   platform.sh          everything: disk, Docker, files, secrets, containers, join token
#   platform.sh token    only writes the group's join token into its secret, if it has changed
#
# Metadata attributes of the VM, none of them secret:
#   tukur-hub                    the hub's address, https://HOST[:PORT]; the port is published (443 without one)
#   tukur-compose                the text of deploy/compose/compose.yaml
#   tukur-image-prefix           where the images are, such as docker.io/tukur
#   tukur-version                their tag (default: latest). To upgrade, change it and reboot
#   tukur-group                  the machines' group: regions/REGION/instanceGroupManagers/NAME
#   tukur-join-secret            name of the secret for the group's join token
#   tukur-database-secret        name of the secret for the database's password, made here if it has no version
#   tukur-database-root-secret   the same for the password of the database's administrator
#   tukur-disk                   device name of the persistent disk (default: tukur-data)
#   tukur-database-image         image of the database (default: mysql:8.4)
#   tukur-secret-manager         another address of Secret Manager, for tests (default: https://secretmanager.googleapis.com)
#
# Its service account needs roles/secretmanager.secretAccessor and secretVersionAdder on the three secrets, what the hub
# asks Compute Engine about the group (compute.instanceGroupManagers.get), and the scope cloud-platform.
# The data is on the persistent disk, in /srv/tukur; the passwords are on the boot disk alone, in /etc/tukur-platform.
# The whole is one function, called in the last line: a script that was cut off in the middle does nothing.
set -eu

@GOOGLE@

FILES=/etc/tukur-platform
DATA=/srv/tukur
OWN=/usr/local/sbin/tukur-platform
UNITS=/etc/systemd/system

read_settings() {
    HUB=$(attribute tukur-hub)
    PREFIX=$(attribute tukur-image-prefix)
    VERSION=$(attribute tukur-version latest)
    GROUP=$(attribute tukur-group)
    JOIN_SECRET=$(attribute tukur-join-secret)
    DATABASE_SECRET=$(attribute tukur-database-secret)
    ROOT_SECRET=$(attribute tukur-database-root-secret)
    DISK=/dev/disk/by-id/google-$(attribute tukur-disk tukur-data)
    DATABASE_IMAGE=$(attribute tukur-database-image mysql:8.4)
    SECRET_MANAGER=$(attribute tukur-secret-manager https://secretmanager.googleapis.com)
    PROJECT=$(metadata project/project-id)
    read_hub
}

# Of https://HOST[:PORT] or https://[IPv6][:PORT].
read_hub() {
    HOST=${HUB#https://} PORT=443
    [ "$HOST" != "$HUB" ] || fail "tukur-hub is $HUB; https://HOST[:PORT] expected"
    case $HOST in
    *:*[!0-9]*) ;;
    *:*)
        PORT=${HOST##*:}
        HOST=${HOST%:*}
        ;;
    esac
}

# Several times: at the first boot the way to the internet may come later than this script.
retry() { # what to do, for the log; the command
    doing=$1 pause=2
    shift
    until "$@" >"$work/output" 2>&1; do
        [ "$pause" -le 64 ] || fail "$doing failed: $(grep -v '^ *$' "$work/output" | tail -n 1)"
        say "$doing: $(grep -v '^ *$' "$work/output" | tail -n 1); trying again in $pause s"
        sleep "$pause"
        pause=$((pause * 2))
    done
}

# Until its disk is mounted, Docker must not start: a container would write to the boot disk in its place.
hold_docker() {
    mkdir -p "$UNITS/docker.service.d"
    # The folder and the file are no secret.
    printf '[Unit]\nConditionPathIsMountPoint=%s\n' "$DATA" >"$work/dropin"
    install -D -m 0644 "$work/dropin" "$UNITS/docker.service.d/tukur.conf"
    systemctl daemon-reload
}

mount_disk() {
    if mountpoint -q "$DATA"; then return 0; fi
    [ -b "$DISK" ] || fail "there is no disk $DISK"
    found=0
    blkid -p "$DISK" >"$work/blkid" 2>&1 || found=$?
    case $found in
    0) ;;
    2)
        say "$DISK is empty; making an ext4 file system"
        mkfs.ext4 -q -m 0 "$DISK" >"$work/output" 2>&1 ||
            fail "$DISK cannot be formatted: $(tail -n 1 "$work/output")"
        ;;
    *) fail "what $DISK holds cannot be told (blkid: $found); it is left alone" ;;
    esac
    kind=$(blkid -p -o value -s TYPE "$DISK") || kind=''
    [ "$kind" = ext4 ] || fail "$DISK holds ${kind:-something that is no file system}; ext4 or an empty disk expected"
    install -d -m 0755 "$DATA"
    # After a crash, and after the disk was made larger.
    fsck.ext4 -p "$DISK" >"$work/output" 2>&1 || [ $? -lt 4 ] ||
        fail "the file system on $DISK is damaged: $(tail -n 1 "$work/output")"
    mount -o noatime "$DISK" "$DATA"
    resize2fs "$DISK" >/dev/null 2>&1 || say "the file system on $DISK cannot be enlarged"
    say "mounted $DISK at $DATA"
}

get_docker() {
    if command -v docker >/dev/null && { command -v docker-compose >/dev/null || docker compose version >/dev/null 2>&1; }
    then
        return 0
    fi
    say "installing Docker"
    export DEBIAN_FRONTEND=noninteractive
    retry "apt-get update" apt-get update -qq
    retry "apt-get install" apt-get install -y -qq --no-install-recommends docker.io docker-compose iptables
}

# Debian's Docker has Compose as a command of its own.
compose() {
    cd "$FILES"
    if docker compose version >/dev/null 2>&1; then
        docker compose -p tukur -f compose.yaml -f platform.yaml "$@"
    else
        docker-compose --no-ansi -p tukur -f compose.yaml -f platform.yaml "$@"
    fi
}

write_files() {
    install -d -m 0700 "$FILES" "$FILES/secrets"
    attribute tukur-compose >"$FILES/compose.yaml"
    cat >"$FILES/.env" <<END
TUKUR_NAME=$HOST
HUB_ADDRESS=0.0.0.0:$PORT
IMAGE_PREFIX=$PREFIX
TUKUR_VERSION=$VERSION
DB_IMAGE=$DATABASE_IMAGE
END
    cat >"$FILES/platform.yaml" <<END
# Written at each boot: what the hub knows of Google Cloud, and the data on the persistent disk.
services:
  hub:
    environment:
      TUKUR_GOOGLE_PROJECT: $PROJECT
      TUKUR_GOOGLE_GROUPS: $GROUP
volumes:
  database:
    driver: local
    driver_opts: {type: none, o: bind, device: $DATA/database}
  hub:
    driver: local
    driver_opts: {type: none, o: bind, device: $DATA/hub}
END
    install -d -m 0755 "$DATA/database"
    # The hub's user in its container.
    install -d -m 0700 -o 10001 -g 10001 "$DATA/hub"
    # For people: `sudo tukur sign-in-link`.
    cat >"$work/tukur" <<END
#!/bin/sh
cd $FILES && exec $(compose_command) -p tukur -f compose.yaml -f platform.yaml exec hub tukur "\$@"
END
    install -m 0755 "$work/tukur" /usr/local/sbin/tukur
}

compose_command() { if docker compose version >/dev/null 2>&1; then echo docker compose; else echo docker-compose; fi; }

# From Secret Manager; at the first start it is made here and stored there.
get_password() { # secret, file
    found=0
    read_secret "$1" "$work/password" || found=$?
    case $found in
    0) ;;
    1)
        [ ! -e "$DATA/database/ibdata1" ] ||
            fail "the database on $DISK has a password already, but the secret $1 has no version"
        python3 -I -c 'import secrets; print(secrets.token_hex(24))' >"$work/password"
        add_secret "$1" "$work/password"
        say "made a password and stored it in the secret $1"
        ;;
    *)
        [ -s "$2" ] || fail "$why"
        say "$why; the password of the last boot is used"
        return 0
        ;;
    esac
    # Read by the containers, which run as other users; the folder is root's alone.
    install -m 0644 "$work/password" "$2"
}

# What members install is in an image of its own; the hub serves it from its data directory.
get_installer() {
    image=$PREFIX/tukur-installer:$VERSION
    docker image inspect "$image" >/dev/null 2>&1 || retry "docker pull $image" docker pull -q "$image"
    id=$(docker image inspect -f '{{.Id}}' "$image")
    if [ "$id" = "$(cat "$FILES/installer-image" 2>/dev/null)" ] && [ -e "$DATA/hub/installer" ]; then return 0; fi
    rm -rf "$DATA/hub/.installer"
    # The image has nothing to run, so the command is not one.
    container=$(docker create "$image" none)
    docker cp "$container:/installer" "$DATA/hub/.installer"
    docker rm "$container" >/dev/null
    rm -rf "$DATA/hub/installer"
    mv "$DATA/hub/.installer" "$DATA/hub/installer"
    echo "$id" >"$FILES/installer-image"
    say "the hub serves the installer of $image"
}

start_containers() {
    systemctl start docker.service
    get_installer
    retry "docker compose up" compose up -d --remove-orphans
    say "the containers are up"
}

make_token() { compose exec -T hub tukur join-token create --google; }

# It changes when the hub's authority or its installer does.
store_token() {
    retry "making the join token" make_token
    grep '^tukur-join-' "$work/output" | tail -n 1 >"$work/token" || fail "the hub made no join token"
    found=0
    read_secret "$JOIN_SECRET" "$work/stored" || found=$?
    [ "$found" -lt 2 ] || fail "$why"
    if [ "$found" -eq 0 ] && cmp -s "$work/token" "$work/stored"; then
        say "the secret $JOIN_SECRET holds the hub's join token"
        return 0
    fi
    add_secret "$JOIN_SECRET" "$work/token"
    say "stored the hub's join token in the secret $JOIN_SECRET"
}

keep_token_current() {
    if [ "$(realpath "$0")" != "$OWN" ]; then install -m 0755 "$0" "$OWN"; fi
    cat >"$work/service" <<END
[Unit]
Description=Stores the join token of the hub in Secret Manager
After=docker.service
ConditionPathIsMountPoint=$DATA

[Service]
Type=oneshot
Environment=GCE_METADATA_HOST=${GCE_METADATA_HOST:-metadata.google.internal}
ExecStart=$OWN token
END
    cat >"$work/timer" <<END
[Unit]
Description=Keeps the join token in Secret Manager current

[Timer]
OnActiveSec=10min
OnUnitInactiveSec=10min

[Install]
WantedBy=timers.target
END
    for kind in service timer; do install -m 0644 "$work/$kind" "$UNITS/tukur-join-token.$kind"; done
    systemctl daemon-reload
    systemctl --quiet enable tukur-join-token.timer
    systemctl restart tukur-join-token.timer
}

set_up() {
    hold_docker
    mount_disk
    get_docker
    write_files
    get_password "$DATABASE_SECRET" "$FILES/secrets/database_password"
    get_password "$ROOT_SECRET" "$FILES/secrets/database_root_password"
    start_containers
}

main() {
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    [ $# -eq 0 ] || [ "$*" = token ] || fail "unknown arguments $*; none, or: token"
    begin
    exec 9>/run/tukur-platform.lock
    # The timer does not meet a start that is still going on.
    flock 9
    read_settings
    [ "${1:-}" = token ] || set_up
    store_token
    [ "${1:-}" = token ] || keep_token_current
    say "done"
}

main "$@" </dev/null
