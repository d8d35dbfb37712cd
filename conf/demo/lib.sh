# shellcheck shell=bash
# What conf/demo/run, start and stop share: a demo's folder, and its nodes as processes. Sourced, not run.
#
# A demo's folder:
#   demo                     marks the folder as ours; says which build its nodes run
#   trust/ agencies/ ca/     by certs/make-federation
#   nodes/NAME/              a node: amparod.yaml amparo.sock log node.key last-signed data/

# Else a range such as a-z means something else in each language.
export LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
self=conf/demo/$(basename "$0")

START_S=20        # until a node answers: it takes well under a second, unless the machine is busy
STOP_S=20         # until it has ended by itself
SOCKET_PATH_MAX=107 # bytes: sun_path of sockaddr_un
LOG_LINES=15      # shown of the log of a node that failed

fail()
{
	printf '%s: %s\n' "$self" "$*" >&2
	exit 1
}

usage_error()
{
	printf '%s: %s (see --help)\n' "$self" "$*" >&2
	exit 64
}

# The comment at the head of the calling script is its help.
usage()
{
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

# fail_node NAME WORDS: with the end of its log.
fail_node()
{
	local name=$1 log=$dir/nodes/$1/log
	shift
	printf '%s: node %s: %s\n' "$self" "$name" "$*" >&2
	if [[ -s $log ]]; then
		printf -- '--- the last lines of %s\n' "$log" >&2
		tail -n $LOG_LINES "$log" >&2
		printf -- '---\n' >&2
	fi
	exit 1
}

# open_demo DIR: sets dir and build, from the mark that conf/demo/run left.
open_demo()
{
	[[ -d $1 ]] || fail "$1: there is no such folder"
	dir=$(cd "$1" && pwd -P)
	[[ -f $dir/demo ]] || fail "$dir is no folder of a demo; conf/demo/run --keep --dir $1 makes one"
	read -r build <"$dir/demo" || fail "$dir/demo is damaged: make the demo again"
}

# known_or_fail NAME
known_or_fail()
{
	[[ $1 =~ ^[a-z]+$ && -f $dir/nodes/$1/amparod.yaml ]] ||
		fail "there is no node '$1' in $dir; there are: $(node_names | xargs)"
}

node_names()
{
	local file
	for file in "$dir"/nodes/*/amparod.yaml; do
		[[ ! -f $file ]] || basename "$(dirname "$file")"
	done
}

# node_pids NAME: the processes of this node, children too. They are known by the path of the
# configuration on their command lines, so they are found whoever started them.
node_pids()
{
	local config=$dir/nodes/$1/amparod.yaml file
	local -a word
	for file in /proc/[0-9]*/cmdline; do
		word=()
		mapfile -d '' -t word 2>/dev/null <"$file" || continue
		((${#word[@]} >= 3)) || continue
		[[ ${word[0]##*/} == amparod && ${word[1]} == --config && ${word[2]} == "$config" ]] ||
			continue
		file=${file%/cmdline}
		printf '%s\n' "${file##*/}"
	done
}

# node_parent NAME: of these processes the one that started the others.
node_parent()
{
	local pid
	for pid in $(node_pids "$1"); do
		[[ $(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") =~ \ (gate|vault)\ $ ]] ||
			printf '%s\n' "$pid"
	done
}

node_runs()
{
	[[ -n $(node_pids "$1") ]]
}

# amparo NAME ARGUMENT...: ask this node.
amparo()
{
	local name=$1
	shift
	"$build/daemon/amparo" --socket "$dir/nodes/$name/amparo.sock" "$@"
}

# field KEY <ROWS: the value of that key in each row of `amparo --json`. For codes, numbers and ids,
# which hold no quotation marks.
field()
{
	local row
	while IFS= read -r row; do
		[[ $row =~ \"$1\":(\"([^\"]*)\"|([^\",}]*)) ]] || continue
		printf '%s\n' "${BASH_REMATCH[2]}${BASH_REMATCH[3]}"
	done
}

# wait_until SECONDS NAME WHAT COMMAND...: until the command says yes; node NAME is asked for it.
# A node that ends meanwhile is not waited for.
wait_until()
{
	local deadline=$((SECONDS + $1)) name=$2 what=$3
	shift 3
	until "$@"; do
		node_runs "$name" || fail_node "$name" "it ended while this was waited for: $what"
		((SECONDS < deadline)) || fail_node "$name" "waited too long for this: $what"
		sleep 0.02 # between two looks at the condition
	done
}

node_answers()
{
	amparo "$1" --json status >/dev/null 2>&1
}

# Why it signs nothing, if so.
node_hold()
{
	amparo "$1" --json status 2>/dev/null | field state | grep -vx serving
}

# node_start NAME
node_start()
{
	local node=$dir/nodes/$1
	! node_runs "$1" || fail "node $1 runs already"
	# A session of its own, so that it outlives this script and its terminal.
	setsid "$build/daemon/amparod" --config "$node/amparod.yaml" \
		</dev/null >>"$node/log" 2>&1 &
	local pid=$!
	disown "$pid"
	# Its command line shows the configuration once setsid has become amparod.
	until [[ $(node_parent "$1") == "$pid" ]] || ! kill -0 "$pid" 2>/dev/null; do
		sleep 0.01
	done
	wait_until $START_S "$1" "it answers" node_answers "$1"
}

# node_stop NAME: as an operator does, with SIGTERM. True if it ended by itself, within STOP_S.
node_stop()
{
	local deadline=$((SECONDS + STOP_S)) pids
	pids=$(node_parent "$1")
	# A parent that was killed leaves children that end by themselves.
	# shellcheck disable=SC2086 # split on purpose
	[[ -z $pids ]] || kill -TERM $pids 2>/dev/null
	while node_runs "$1"; do
		if ((SECONDS >= deadline)); then
			# shellcheck disable=SC2046
			kill -KILL $(node_pids "$1") 2>/dev/null
			printf '%s: node %s did not end within %d s of SIGTERM, and was killed\n' \
				"$self" "$1" $STOP_S >&2
			return 1
		fi
		sleep 0.02
	done
}

# All at once; whatever comes.
stop_all()
{
	local name
	for name in $(node_names); do
		node_stop "$name" &
	done
	wait
}
