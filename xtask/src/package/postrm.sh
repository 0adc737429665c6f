#!/bin/sh
# A purge takes what the program has written, and the certificates' folder if it is empty.
set -e
if [ "$1" = purge ]; then
    rm -rf /var/lib/weir /var/log/weir
    rmdir --ignore-fail-on-non-empty /etc/weir/certs 2>/dev/null || true
    rmdir --ignore-fail-on-non-empty /etc/weir 2>/dev/null || true
    getent group weir >/dev/null && groupdel weir || true
fi
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
fi
