#!/bin/sh
# Removes the tukur agent that install.sh installed, with its key and what its hub has not received yet.
# It is a part of install.sh too: `sh install.sh uninstall`.

tukur_uninstall() {
    if [ "$(id -u)" -ne 0 ]; then
        echo "tukur: root is needed to remove the agent; run this with sudo" >&2
        return 1
    fi
    if [ ! -e /opt/tukur ] && [ ! -e /etc/systemd/system/tukur-agent.service ]; then
        echo "tukur: there is no agent in /opt/tukur; nothing to remove" >&2
        return 1
    fi
    if [ -d /run/systemd/system ]; then
        # It thaws what it froze, and sends what it can, before it ends.
        systemctl --quiet disable --now tukur-agent.service 2>/dev/null || true
    else
        systemctl --quiet disable tukur-agent.service 2>/dev/null || true
    fi
    rm -rf /etc/systemd/system/tukur-agent.service /etc/systemd/system/tukur-agent.service.d
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        systemctl reset-failed tukur-agent.service 2>/dev/null || true
    fi
    case "$(readlink /usr/local/bin/tukur 2>/dev/null)" in
    /opt/tukur/*) rm -f /usr/local/bin/tukur ;;
    esac
    rm -rf /opt/tukur /var/lib/tukur-agent
    if id tukur-agent >/dev/null 2>&1; then
        userdel tukur-agent 2>/dev/null || echo "tukur: the user tukur-agent could not be removed" >&2
    fi
    echo "tukur: the agent is gone, with its key and its record that was not sent yet"
    [ ! -e /etc/tukur ] || echo "tukur: /etc/tukur, which you wrote, is left"
    echo "tukur: the hub still lists this host: \`tukur host revoke NAME\` there ends its key"
}

# Included in install.sh, which calls it by itself.
[ -n "${TUKUR_INSTALLER:-}" ] || tukur_uninstall
