# Tries a package out: $1 is the system below, $2 a folder to work in, $3 the package, $4 a newer one.
# Mounts, network and processes are those of namespaces that end with this script.
below=$1 room=$2 package=$3 newer=$4
say() { echo "   $*"; }
must() { "$@" || { echo "   FAILED: $*"; exit 1; }; }

mount --make-rprivate /
mount -t proc proc /proc
mkdir "$room/disk"
mount -t tmpfs -o size=512m tmpfs "$room/disk"
mkdir "$room/disk/upper" "$room/disk/work" "$room/disk/root"
mount -t overlay overlay -o "lowerdir=$below,upperdir=$room/disk/upper,workdir=$room/disk/work" "$room/disk/root"
new=$room/disk/root
for folder in proc dev run tmp sys; do mkdir -p "$new/$folder"; done
mount -t proc proc "$new/proc"
mount --rbind /dev "$new/dev"
mount -t tmpfs tmpfs "$new/run"
mount -t tmpfs tmpfs "$new/tmp"
mkdir -p "$new/tmp/packages"
cp "$package" "$new/tmp/packages/one.deb"
cp "$newer" "$new/tmp/packages/two.deb"
ip link set lo up
inside() { chroot "$new" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }

say "installs"
must inside dpkg --install /tmp/packages/one.deb >"$room/log" 2>&1 || { cat "$room/log"; exit 1; }
must inside weir --version
must inside getent group weir >/dev/null
must test "$(inside stat -c '%U %G %a' /var/log/weir)" = "root weir 750"
must test -s "$new/usr/share/man/man1/weir-reload.1.gz"

say "its configuration is valid, and it runs with it"
must inside weir validate >/dev/null
mkdir -p "$new/run/weir"
inside weir run 2>"$room/said" &
weir=$!
must inside weir status --wait=20s >/dev/null || { cat "$room/said"; exit 1; }
must curl --silent --fail --output /dev/null http://127.0.0.1:8080/
must curl --silent --fail --output /dev/null http://127.0.0.1:9900/readyz
must inside weir reload --wait >/dev/null

say "upgrades while it runs, and keeps what the operator has written"
echo "# by the operator" >>"$new/etc/weir/weir.yaml"
must inside dpkg --install /tmp/packages/two.deb >"$room/log" 2>&1 || { cat "$room/log"; exit 1; }
must grep --quiet "by the operator" "$new/etc/weir/weir.yaml"
must inside dpkg-query --show --showformat='${Version}\n' weir | grep --quiet next
must curl --silent --fail --output /dev/null http://127.0.0.1:8080/
must inside weir status >/dev/null
kill -TERM "$(pgrep -P $weir || echo $weir)" 2>/dev/null || kill -TERM $weir
wait $weir || { echo "   FAILED: it ended with $?"; cat "$room/said"; exit 1; }
must grep --quiet '"status":200' "$new/var/log/weir/access.json"

say "a removal keeps the configuration, a purge leaves nothing"
must inside dpkg --remove weir >/dev/null 2>&1
must test -e "$new/etc/weir/weir.yaml"
must test ! -e "$new/usr/bin/weir"
must inside dpkg --purge weir >/dev/null 2>&1
for path in etc/weir var/log/weir var/lib/weir usr/share/doc/weir etc/logrotate.d/weir; do
    must test ! -e "$new/$path"
done
say "done"
