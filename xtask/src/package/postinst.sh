#!/bin/sh
# Makes the group and the folders. The service is neither enabled nor started: an edge is switched on by hand.
set -e
if [ "$1" = configure ]; then
    getent group weir >/dev/null || groupadd --system weir
    install -d -o root -g weir -m 0750 /etc/weir /var/lib/weir /var/log/weir
    install -d -o root -g root -m 0700 /etc/weir/certs
    if [ -d /run/systemd/system ]; then
        systemctl daemon-reload
        # An upgrade restarts what runs. The shield stays attached meanwhile, and bans stay.
        [ -z "$2" ] || systemctl try-restart weir.service
    fi
fi
