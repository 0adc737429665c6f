#!/bin/sh
# Ends the service before its program goes. An upgrade leaves it running.
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
    systemctl --no-reload disable --now weir.service || true
fi
if [ "$1" = remove ] && [ -d /sys/fs/bpf/weir ]; then
    # Without the program nobody could take the shield off any more.
    weir shield detach || true
fi
