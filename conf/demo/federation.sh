# shellcheck shell=bash
# Building the programs and making the demo's federation: PKI, configurations, databases. Sourced by
# run, which sets dir, names, agency and port.

build_programs()
{
	local log
	if [[ -n ${AMPARO_BUILD-} ]]; then
		build=$(cd "$AMPARO_BUILD" 2>/dev/null && pwd -P) ||
			fail "AMPARO_BUILD=$AMPARO_BUILD: there is no such folder"
		[[ -x $build/daemon/amparod && -x $build/daemon/amparo ]] ||
			fail "AMPARO_BUILD=$AMPARO_BUILD holds no built daemon/amparod and daemon/amparo"
		return
	fi
	log=$root/build/logs/demo.log
	mkdir -p "$root/build/logs" && : >"$log" || fail "$root/build cannot be written to"
	# What tests/run built, brought up to date, is as good; our own build needs no test packages.
	build=$root/build/gcc
	[[ -f $build/build.ninja ]] && make_programs >>"$log" 2>&1 && return
	build=$root/build/demo
	[[ -f $build/build.ninja ]] && make_programs >>"$log" 2>&1 && return
	# Also when one is there that does not build: its set-up broke off, or the folder was moved.
	rm -rf "$build"
	# As the ordinary build, without debugging symbols. A warning is no reason to show nothing.
	: >"$log"
	CC=gcc meson setup "$build" "$root" --buildtype=release -Doptimization=2 -Dwerror=false \
		-Dtests=false >>"$log" 2>&1 || show_build_failure "$log"
	make_programs >>"$log" 2>&1 || show_build_failure "$log"
}

make_programs()
{
	ninja -C "$build" daemon/amparod daemon/amparo
}

show_build_failure()
{
	tail -n 25 "$1" >&2
	fail "the build failed; all that it said is in $1"
}

# --- the federation ------------------------------------------------------------------------------

# So many ports that nobody uses, below those that the system gives to outgoing connections: they
# must still be free when a node is started again.
free_ports()
{
	/usr/bin/python3 - "$1" <<'PYTHON'
import random, socket, sys
held = []
for port in random.sample(range(20000, 32000), 2000):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", port))
    except OSError:
        continue
    held.append(s)
    if len(held) == int(sys.argv[1]):
        break
else:
    sys.exit("no free ports on loopback")
print(*(s.getsockname()[1] for s in held))
PYTHON
}

write_config()
{
	local name=$1 other domain
	local keys=../../agencies/${agency[$name]}
	local node=$dir/nodes/$name
	mkdir -p "$node" && chmod 700 "$node" || return
	{
		printf '# Node %s of a demo, by conf/demo/run; conf/amparod.yaml explains every key.\n' "$name"
		printf 'agency: spiffe://%s\n' "${agency[$name]}"
		printf '%s\n' 'data: data' 'socket: amparo.sock' 'node_key: node.key' 'last_signed: last-signed'
		printf 'tls: {chain: %s/tls.pem, key: %s/tls.key}\n' "$keys" "$keys"
		printf 'seal: {chain: %s/seal.pem, key: %s/seal.key}\n' "$keys" "$keys"
		printf 'listen: ["127.0.0.1:%s"]\n' "${port[$name]}"
		printf 'trust:\n'
		for other in "${names[@]}"; do
			domain=${agency[$other]%%/*}
			printf '  - domain: %s\n    ca: ../../trust/%s/ca.pem\n    crl: ../../trust/%s/crl.pem\n' \
				"$domain" "$domain" "$domain"
		done
		printf 'peers:\n'
		for other in "${names[@]}"; do
			[[ $other != "$name" ]] || continue
			printf '  - id: spiffe://%s\n    address: 127.0.0.1:%s\n' "${agency[$other]}" "${port[$other]}"
		done
	} >"$node/amparod.yaml"
}

make_federation()
{
	local name out ports
	out=$("$root/certs/make-federation" "$dir" "${agency[@]}" 2>&1) || fail "certs/make-federation: $out"
	read -r -a ports < <(free_ports ${#names[@]}) || fail "no free ports on loopback"
	for name in "${names[@]}"; do
		port[$name]=${ports[0]}
		ports=("${ports[@]:1}")
	done
	for name in "${names[@]}"; do
		write_config "$name" || fail "$dir/nodes/$name/amparod.yaml cannot be written"
		"$build/daemon/amparod" --config "$dir/nodes/$name/amparod.yaml" --init \
			</dev/null >>"$dir/nodes/$name/log" 2>&1 || fail_node "$name" "amparod --init failed"
	done
}
