#!/bin/sh
# The start script of each VM of the group: installs the agent from the hub and joins it. Run at every boot.
#
# Metadata attributes of the VM, none of them secret:
#   tukur-hub              the hub's address, https://HOST[:PORT]
#   tukur-join-secret      name of the secret that holds the join token, written by the platform's VM
#   tukur-secret-manager   another address of Secret Manager, for tests (default: https://secretmanager.googleapis.com)
#
# Its service account needs roles/secretmanager.secretAccessor on that secret, and the scope cloud-platform.
# Until the token is there and the hub answers, it tries again, at most every minute. At shutdown systemd ends the
# agent by SIGTERM, and the agent takes its leave of the hub by itself.
# The whole is one function, called in the last line: a script that was cut off in the middle does nothing.
set -eu

@GOOGLE@

AGENT=/var/lib/tukur-agent
STATE=/var/lib/tukur-member

read_settings() {
    HUB=$(attribute tukur-hub)
    SECRET=$(attribute tukur-join-secret)
    SECRET_MANAGER=$(attribute tukur-secret-manager https://secretmanager.googleapis.com)
    PROJECT=$(metadata project/project-id)
    NAME=$(metadata instance/name)
    ID=$(metadata instance/id)
}

# With libbpf the agent reads the kernel's own records, at a hundredth of the cost; without it, it works too.
get_libbpf() {
    if ldconfig -p | grep -q 'libbpf\.so\.1' || ! command -v apt-get >/dev/null; then return 0; fi
    say "installing libbpf1"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends libbpf1; } >/dev/null 2>&1 ||
        say "libbpf1 cannot be installed; the agent will read /proc"
}

# A disk that was copied from another VM of the group brings that one's key along.
leave_other_identity() {
    before=$(cat "$STATE/instance" 2>/dev/null) || return 0
    [ "$before" != "$ID" ] || return 0
    say "this disk belonged to the VM $before; the agent joins anew"
    [ ! -x /opt/tukur/uninstall ] || /opt/tukur/uninstall
    rm -rf "$STATE"
}

# The hub's authority, if the token names one: what the hub offers is compared with the hash in the token.
find_authority() {
    curl -sSk --max-time 20 -o "$work/offered" "$HUB/ca.pem" 2>/dev/null || : >"$work/offered"
    python3 -I - "$work/offered" "$work/token" >"$work/ca.pem" 2>/dev/null <<'PYTHON'
import base64, hashlib, re, sys
offered, token = (open(path, encoding="ascii", errors="replace").read() for path in sys.argv[1:])
packed = token.strip().removeprefix("tukur-join-")
pinned = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))[1:33]
for pem in re.findall("-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", offered, re.DOTALL):
    if hashlib.sha256(base64.b64decode("".join(pem.split("\n")[1:-2]))).digest() == pinned:
        sys.stdout.write(pem)
PYTHON
}

# One attempt; if it does not succeed, $why says it in one line.
install_agent() {
    read_secret "$SECRET" "$work/token" || return 1
    find_authority || { why="the secret $SECRET holds no join token"; return 1; }
    # Without an authority in the token, those of the system vouch for the hub.
    set -- --max-time 60 -fsS -o "$work/install.sh" "$HUB/install.sh"
    [ ! -s "$work/ca.pem" ] || set -- --cacert "$work/ca.pem" "$@"
    curl "$@" 2>"$work/curl" || { why="the hub's installer cannot be fetched: $(head -n 1 "$work/curl")"; return 1; }
    say "fetched $HUB/install.sh; installing as $NAME"
    # The installer reads nothing but its arguments; its error is one line.
    sh "$work/install.sh" --token-file "$work/token" --hostname "$NAME" 2>"$work/error" && return 0
    why=$(sed -n 's/^tukur: //p' "$work/error" | tail -n 1)
    return 1
}

join() {
    pause=2 told=''
    until install_agent; do
        if [ -e "$AGENT/joined.json" ]; then
            say "${why:-the installer failed}; the agent that is here goes on"
            return 0
        fi
        [ "$why" = "$told" ] || say "${why:-the installer failed}; trying again"
        told=$why
        sleep "$pause"
        pause=$((pause < 30 ? pause * 2 : 60))
    done
    install -d -m 0755 "$STATE"
    echo "$ID" >"$STATE/instance"
}

main() {
    begin
    read_settings
    get_libbpf
    leave_other_identity
    join
    say "done"
}

main "$@" </dev/null
