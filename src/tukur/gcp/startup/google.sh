#!/bin/sh
# What both start scripts use: lines in the log, the metadata server, Secret Manager. It is put into each of them.
# GCE_METADATA_HOST in the environment names another metadata server, as for Google's own libraries.

METADATA=http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1

say() { echo "tukur: $*"; }
fail() {
    echo "tukur: $*" >&2
    exit 1
}

# A folder in memory for what must not reach the disk.
begin() {
    [ "$(id -u)" -eq 0 ] || fail "root is needed, this is user $(id -un)"
    umask 077
    why=''
    work=$(mktemp -d /run/tukur-start-XXXXXX)
    trap 'rm -rf "$work"' EXIT
    trap 'exit 143' TERM
    trap 'exit 130' INT
}

metadata() { # path
    curl -fsS --max-time 20 --retry 5 --retry-connrefused -H 'Metadata-Flavor: Google' "$METADATA/$1"
}

# An attribute of this VM, or the default; without a default it has to be there.
attribute() { # name, [default]
    status=$(curl -sS --max-time 20 --retry 5 --retry-connrefused -H 'Metadata-Flavor: Google' \
        -o "$work/attribute" -w '%{http_code}' "$METADATA/instance/attributes/$1") ||
        fail "the metadata server does not answer"
    case $status in
    200) cat "$work/attribute" ;;
    404)
        [ $# -gt 1 ] || fail "this VM has no metadata attribute $1"
        echo "$2"
        ;;
    *) fail "the metadata server answers $status to a request for the attribute $1; 200 expected" ;;
    esac
}

field() { # name of a field, dotted; of the JSON on standard input
    python3 -I -c 'import functools, json, sys
print(functools.reduce(lambda found, name: found[name], sys.argv[1].split("."), json.load(sys.stdin)))' "$1" 2>/dev/null
}

# A request to Secret Manager as this VM's service account; sets $status, the answer is in $work/answer.
secret_manager() { # path below the project's secrets, curl's other arguments
    path=$1
    shift
    token=$(metadata instance/service-accounts/default/token | field access_token) || return 1
    # The token by standard input: any user can read a command line.
    status=$(printf 'header = "Authorization: Bearer %s"\n' "$token" |
        curl -sS --max-time 20 -K - -H 'Content-Type: application/json' -o "$work/answer" -w '%{http_code}' "$@" \
            "$SECRET_MANAGER/v1/projects/$PROJECT/secrets/$path" 2>"$work/curl") ||
        status="no answer ($(tail -n 1 "$work/curl"))"
}

# The newest version of a secret, in a file. 1: it has none; 2: it cannot be read, $why says it in one line.
read_secret() { # name, file
    secret_manager "$1/versions/latest:access" || status='no answer (no access token from the metadata server)'
    case $status in
    200)
        why="the secret $1 cannot be decoded"
        field payload.data <"$work/answer" | base64 -d >"$2" 2>/dev/null || return 2
        ;;
    404)
        why="the secret $1 has no version yet"
        return 1
        ;;
    *)
        why="Secret Manager answers $status to a request for the secret $1$(reason)"
        return 2
        ;;
    esac
}

add_secret() { # name, file with its new value
    printf '{"payload": {"data": "%s"}}' "$(base64 -w 0 "$2")" >"$work/body"
    secret_manager "$1:addVersion" --data-binary "@$work/body" ||
        status='no answer (no access token from the metadata server)'
    rm -f "$work/body"
    [ "$status" = 200 ] || fail "Secret Manager answers $status to a new version of the secret $1$(reason)"
}

# What Google says of a refusal, in brackets.
reason() {
    said=$(field error.message <"$work/answer") || return 0
    echo " ($said)"
}
