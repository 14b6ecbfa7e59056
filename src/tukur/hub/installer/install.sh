#!/bin/sh
# Installs the tukur agent in /opt/tukur, joins a hub, and starts it; run again it upgrades.
#
#   sh install.sh [TOKEN] [--token-file FILE] [--hostname NAME] [--no-start]
#   sh install.sh uninstall
#
# Served by a hub, which puts in its own address. Everything else is fetched from that hub and checked by the hash
# in the token. What fails leaves nothing of this run behind.
# The whole is one function, called in the last line: a script that was cut off in the middle does nothing.
set -eu

HUB='@HUB@'
ROOT=/opt/tukur
DATA=/var/lib/tukur-agent
UNIT=/etc/systemd/system/tukur-agent.service
USER_NAME=tukur-agent
COMMAND=/usr/local/bin/tukur

say() { echo "tukur: $*"; }
fail() {
    echo "tukur: $*" >&2
    exit 1
}

# shellcheck disable=SC2034 # what is included next asks for it
TUKUR_INSTALLER=yes
@UNINSTALL@

usage() {
    fail "$1; expected: [TOKEN] [--token-file FILE] [--hostname NAME] [--no-start], or: uninstall"
}

read_arguments() {
    token='' hostname='' start=yes
    while [ $# -gt 0 ]; do
        case "$1" in
        --token-file)
            [ $# -ge 2 ] || usage "--token-file without a file"
            token=$(cat -- "$2" 2>/dev/null) || fail "the token file $2 cannot be read"
            [ -n "$token" ] || fail "the token file $2 is empty"
            shift
            ;;
        --hostname)
            [ $# -ge 2 ] || usage "--hostname without a name"
            hostname=$2
            shift
            ;;
        --no-start) start=no ;;
        -*) usage "unknown option $1" ;;
        *)
            [ -z "$token" ] || usage "two tokens"
            token=$1
            ;;
        esac
        shift
    done
}

check_machine() {
    [ "$(id -u)" -eq 0 ] || fail "root is needed to install the agent, this is user $(id -un); run it with sudo"
    command -v systemctl >/dev/null || fail "this machine has no systemd, which starts the agent here"
    [ "$start" = no ] || [ -d /run/systemd/system ] ||
        fail "systemd does not run on this machine; --no-start installs without starting"
    for tool in useradd userdel runuser flock mktemp; do
        command -v "$tool" >/dev/null || fail "the command $tool is missing on this machine"
    done
    find_python
}

find_python() {
    python=''
    for name in ${PYTHON:-} /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3; do
        command -v "$name" >/dev/null || continue
        "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null || continue
        python=$(command -v "$name")
        break
    done
    if [ -z "$python" ]; then
        found=$(python3 --version 2>/dev/null) || found='no python3'
        fail "Python 3.11 to 3.14 is needed, found $found; install one, or name it: PYTHON=/path/to/python"
    fi
    "$python" -c 'import ssl, venv' 2>/dev/null ||
        fail "$python lacks its module ssl or venv; install the rest of its standard library"
}

# One run at a time; the kernel releases the lock of a run that was killed.
lock() {
    exec 9>/run/tukur-install.lock
    flock -n 9 || fail "another installation is running"
}

# What this run made, undone in reverse where it does not reach its end.
undo() {
    code=$?
    trap - EXIT HUP INT TERM
    set +e
    [ "$finished" = yes ] || undo_changes
    rm -rf "$stage"
    rm -f /run/tukur-install.lock
    exit "$code"
}

undo_changes() {
    [ -z "$switched" ] || restore
    [ -z "$made_command" ] || rm -f "$COMMAND"
    [ -z "$made_version" ] || rm -rf "$version"
    [ -z "$made_root" ] || rm -rf "$ROOT"
    [ -z "$made_data" ] || rm -rf "$DATA"
    [ -z "$made_user" ] || userdel "$USER_NAME" 2>/dev/null
}

# The unit and the version that were here before; without any the unit goes.
restore() {
    if [ -n "$before" ]; then point_to "$before"; fi
    if [ -n "$made_unit" ]; then
        [ "$start" = no ] || systemctl --quiet stop tukur-agent.service 2>/dev/null
        systemctl --quiet disable tukur-agent.service 2>/dev/null
        rm -f "$UNIT"
    else
        cp -p "$stage/unit.before" "$UNIT"
    fi
    [ "$start" = yes ] || return 0
    systemctl daemon-reload
    if [ -n "$made_unit" ]; then
        systemctl reset-failed tukur-agent.service 2>/dev/null
    else
        systemctl restart tukur-agent.service
    fi
}

begin() {
    stage='' version='' made_root='' made_version='' made_user='' made_data='' made_unit='' made_command=''
    switched='' before='' finished=no
    trap undo EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    if [ -d "$ROOT" ] && [ ! -d "$ROOT/versions" ]; then
        fail "$ROOT was not made by this installer; move it away first"
    fi
    if [ ! -L "$ROOT/current" ]; then
        # Also what a run that was killed had made, and said so by these files.
        [ ! -e "$ROOT/.made-user" ] || made_user=yes
        [ ! -e "$ROOT/.made-data" ] || made_data=yes
        made_root=yes
        mkdir -p "$ROOT/versions" 2>/dev/null || fail "$ROOT cannot be made; a writable /opt is needed"
    fi
    # On the file system that it is installed to: if it does not fit, nothing was touched.
    stage=$(mktemp -d "$ROOT/.fetched-XXXXXX" 2>/dev/null) || fail "no space left, or $ROOT is not writable"
}

fetch() {
    fetched=$(TUKUR_TOKEN=$token "$python" -I - "$HUB" "$stage" "$DATA/joined.json" <<'PYTHON'
@FETCH@
PYTHON
) || exit 1
    say "$fetched"
}

# A virtual environment of its own for each version: the running one stays as it is until the new one works.
install_version() {
    # Its Python is in the name: after an upgrade of the system's, the old environment does not work any more.
    version=$ROOT/versions/$(cat "$stage/id")-$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ -e "$version/complete" ] && starts; then
        say "$version is installed already"
        return 0
    fi
    rm -rf "$version"
    made_version=yes
    # What a program says is kept in memory: the disk may be full.
    said=$("$python" -I -m venv --without-pip "$version" 2>&1) ||
        fail "the virtual environment $version cannot be made: $(last_line)"
    # pip runs from its wheel, and is not installed: nothing is fetched later. It checks each hash once more.
    said=$(PYTHONPATH=$(echo "$stage"/pip-*.whl) "$version/bin/python" -m pip --isolated install --quiet \
        --disable-pip-version-check --no-cache-dir --no-compile --no-index --find-links "$stage" \
        --require-hashes --only-binary :all: --root-user-action ignore \
        --requirement "$stage/requirements.txt" 2>&1) ||
        fail "the wheels cannot be installed in $version: $(last_line)"
    # By all processors, without the packages' tests: the agent's user could not write it later.
    "$version/bin/python" -m compileall -q -j 0 -x /tests/ "$version/lib" >/dev/null 2>&1 || true
    starts || fail "the installed agent does not start: $(last_line)"
    : >"$version/complete"
    say "installed $("$version/bin/tukur" --version) in $version ($("$python" --version))"
}

# As the user that it will run as, who has to reach the Python that was found, too.
starts() { said=$(runuser -u "$USER_NAME" -- "$version/bin/tukur" --version 2>&1); }

last_line() { echo "$said" | grep -v '^ *$' | tail -n 1; }

make_user() {
    if ! id "$USER_NAME" >/dev/null 2>&1; then
        made_user=yes
        : >"$ROOT/.made-user"
        useradd --system --user-group --home-dir "$DATA" --no-create-home --shell /usr/sbin/nologin "$USER_NAME" ||
            fail "the user $USER_NAME cannot be made"
    fi
    if [ ! -d "$DATA" ]; then
        made_data=yes
        : >"$ROOT/.made-data"
        install -d -m 0700 -o "$USER_NAME" -g "$USER_NAME" "$DATA" || fail "$DATA cannot be made"
    fi
}

join() {
    if [ -e "$DATA/joined.json" ]; then
        say "this machine is a host already; it stays the host that it is"
        return 0
    fi
    [ -n "$token" ] || fail "a join token is needed (\`tukur join-token create\` on the hub)"
    # The token by standard input, so that no other user reads it from the list of processes.
    set -- agent join --data "$DATA" "$HUB" -
    [ -z "$hostname" ] || set -- "$@" --hostname "$hostname"
    said=$(echo "$token" | runuser -u "$USER_NAME" -- "$version/bin/tukur" "$@" 2>&1) || fail "$(last_line)"
    say "$(echo "$said" | sed -n 's/; start its agent.*//p')"
}

lay_down() {
    sed "s,/usr/local/bin/tukur,$ROOT/current/bin/tukur," "$stage/tukur-agent.service" >"$stage/unit"
    if [ -e "$UNIT" ]; then cp -p "$UNIT" "$stage/unit.before"; else made_unit=yes; fi
    before=$(readlink "$ROOT/current" || true)
    switched=yes
    install -m 0755 "$stage/uninstall.sh" "$ROOT/uninstall"
    install -m 0644 "$stage/unit" "$UNIT"
    point_to "$version"
    if [ ! -e "$COMMAND" ] && [ ! -L "$COMMAND" ] && mkdir -p "${COMMAND%/*}"; then
        made_command=yes
        ln -s "$ROOT/current/bin/tukur" "$COMMAND"
    fi
    systemctl --quiet enable tukur-agent.service
}

# Renamed over the old link: at each instant there is one.
point_to() { ln -sfn "$1" "$stage/current" && mv -T "$stage/current" "$ROOT/current"; }

start_agent() {
    [ "$start" = yes ] || { say "not started, because of --no-start; it starts at the next boot"; return 0; }
    systemctl daemon-reload
    if unchanged && systemctl --quiet is-active tukur-agent.service; then
        say "tukur-agent.service runs already"
        return 0
    fi
    # What it says of a failure comes from the journal, in one line.
    systemctl restart tukur-agent.service 2>/dev/null || true
    if runs; then
        say "started tukur-agent.service"
        return 0
    fi
    why=$(journalctl -u tukur-agent.service -n 1 -o cat 2>/dev/null) || why=''
    if [ -n "$made_unit" ]; then
        fail "tukur-agent.service does not run (${why:-no message}); it was removed again, but the hub lists this host"
    fi
    fail "the new tukur-agent.service does not run (${why:-no message}); what was here before was started again"
}

# Whether the version and its unit are those that were here before.
unchanged() {
    [ "$before" = "$version" ] && [ -z "$made_version$made_unit" ] &&
        [ "$(cat "$stage/unit.before")" = "$(cat "$UNIT")" ]
}

# Whether the agent is up and stays up.
runs() {
    restarts=$(systemctl show -P NRestarts tukur-agent.service)
    for _ in 1 2 3; do
        sleep 1
        [ "$(systemctl show -P SubState tukur-agent.service)" = running ] || return 1
        [ "$(systemctl show -P NRestarts tukur-agent.service)" = "$restarts" ] || return 1
    done
}

remove_other_versions() {
    for other in "$ROOT"/versions/*; do
        [ "$other" = "$version" ] || rm -rf "$other"
    done
    for other in "$ROOT"/.fetched-*; do
        [ "$other" = "$stage" ] || rm -rf "$other"
    done
}

explain() {
    if ! ldconfig -p 2>/dev/null | grep -q 'libbpf\.so\.1'; then
        say "libbpf.so.1 is not installed: the agent reads /proc, at a higher cost; package libbpf1 or libbpf"
    fi
    [ -e /etc/tukur/policy.toml ] || say "monitor-only: without /etc/tukur/policy.toml the hub may stop nothing here"
    say "to remove it: $ROOT/uninstall"
}

main() {
    umask 022
    PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
    cd /
    if [ "${1:-}" = uninstall ]; then
        tukur_uninstall
        exit
    fi
    read_arguments "$@"
    check_machine
    lock
    begin
    fetch
    make_user
    install_version
    join
    lay_down
    start_agent
    finished=yes
    rm -f "$ROOT/.made-user" "$ROOT/.made-data"
    remove_other_versions
    explain
}

main "$@" </dev/null
