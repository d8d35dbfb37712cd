# shellcheck shell=bash
# The steps of the demo: what each does, how it is checked, what it says. Sourced by run, which sets
# names and agency.

# --- saying and measuring ----------------------------------------------------------------------

n_steps=0
step()
{
	n_steps=$((n_steps + 1))
	printf '%2d  %s\n' $n_steps "$*"
}

now_us()
{
	printf '%s' "${EPOCHREALTIME/[.,]/}"
}

# ms_since US
ms_since()
{
	printf '%s' $((($(now_us) - $1) / 1000))
}

# as_seconds MS
as_seconds()
{
	printf '%d.%d s' $(($1 / 1000)) $(($1 % 1000 / 100))
}

# ask NAME ARGUMENT...: a command that must go well; its JSON.
ask()
{
	local out
	# On success there is nothing on standard error.
	out=$(amparo "$1" --json "${@:2}" 2>&1) || fail_node "$1" "amparo ${*:2:2}: $out"
	printf '%s\n' "$out"
}

# expect NAME WHAT FOUND WANTED: the check of a step, about what node NAME says.
expect()
{
	[[ $3 == "$4" ]] || fail_node "$1" "$2: it should be '$4', it is '$3'"
}

# --- conditions that are waited for ----------------------------------------------------------------

# All its peers are connected.
is_connected()
{
	local states
	states=$(amparo "$1" --json peer list | field state | sort -u)
	[[ $states == connected ]]
}

# The agreement is in force with all its peers.
is_in_force()
{
	local n
	n=$(amparo "$1" --json agreement list | field state | grep -cx in-force)
	((n == ${#names[@]} - 1))
}

# row NAME ID: what node NAME says of a referral.
row()
{
	amparo "$1" --json referral list | grep -F "\"id\":\"$2\""
}

# has NAME ID KEY VALUE: of a referral.
has()
{
	[[ $(row "$1" "$2" | field "$3") == "$4" ]]
}

# Nothing is on its way between cz and sk: both hold all that the other wrote. Sets result.
is_settled()
{
	result=$(amparo cz --json audit reconcile "${agency[sk]}" 2>/dev/null) || return
	[[ $(field sent_k <<<"$result") == "$(field sent_held <<<"$result")" &&
		$(field received_k <<<"$result") == "$(field received_written <<<"$result")" ]]
}

# --- the walk --------------------------------------------------------------------------------------

start_nodes()
{
	local name began slowest=0 took
	for name in "${names[@]}"; do
		began=$(now_us)
		node_start "$name"
		expect "$name" "its state" "$(ask "$name" status | field state)" serving
		took=$(ms_since "$began")
		((took <= slowest)) || slowest=$took
	done
	time_ready=$slowest
	step "started ${names[*]}: each a parent, a gate and a vault, on loopback ports" \
		"${port[cz]} ${port[sk]} ${port[at]}"
}

connect()
{
	local name other wanted found
	for name in "${names[@]}"; do
		wait_until 60 "$name" "sessions with all its peers" is_connected "$name"
		for other in "${names[@]}"; do
			[[ $other != "$name" ]] || continue
			wanted=$("$root/certs/fingerprint" "$dir/agencies/${agency[$other]}/seal.pem" | tr -d ' ')
			found=$(ask "$name" peer list | grep -F "\"id\":\"spiffe://${agency[$other]}\"" |
				field fingerprint | tr -d ' ')
			expect "$name" "the fingerprint of $other" "$found" "$wanted"
		done
	done
	step "connected: each with each over mutual TLS 1.3; the fingerprints of all seal keys compared"
}

import_records()
{
	local file base imported types=()
	for file in "$root"/conf/demo/*.json; do
		base=$(basename "$file" .json)
		imported=$(ask cz record import "$file" --reason "demo") || exit 1
		record[$base]=$(field id <<<"$imported")
		types+=("$(field type <<<"$imported")")
	done
	step "imported ${#record[@]} synthetic records at cz, each sealed in its ledger:" \
		"$(printf '%s\n' "${types[@]}" | sort | uniq -c | awk '{print $1, $2}' | paste -sd, | sed 's/,/, /g')"
}

adopt()
{
	local name file=$root/conf/agreements/demo.yaml digest
	digest=$(sha256sum <"$file")
	for name in "${names[@]}"; do
		ask "$name" agreement adopt "$file" >/dev/null || exit 1
	done
	for name in "${names[@]}"; do
		wait_until 30 "$name" "the agreement in force with all its peers" is_in_force "$name"
		expect "$name" "the agreement's digest" "$(ask "$name" agreement list | field id | sort -u)" \
			"${digest%% *}"
	done
	step "adopted conf/agreements/demo.yaml at all three: in force each with each, digest ${digest:0:12}"
}

# parts STAGE <PREVIEW: how many parts (fields, or elements of lists) leave at it; withheld: none do.
parts()
{
	local pattern="\"released_at\":\"$1\"" option=-F
	[[ $1 != withheld ]] || pattern='"released_at":' option=-Fv
	grep $option "$pattern" | field n | awk '{n += $1} END {print n + 0}'
}

preview()
{
	local rows n_withheld
	# The referral is sent with the same words.
	terms=(--to "${agency[sk]}" --purpose child-protection --basis consent --consent guardian
		--type protective-measures --urgency urgent --reason "demo: she is thought to be there")
	rows=$(ask cz referral send --record "${record[victim-1]}" "${terms[@]}" --preview) || exit 1
	n_request=$(parts request <<<"$rows")
	n_accepted=$(parts accepted <<<"$rows")
	n_withheld=$(parts withheld <<<"$rows")
	((n_request > 0 && n_accepted > 0 && n_withheld > 0)) ||
		fail_node cz "the preview shows $n_request, $n_accepted and $n_withheld parts"
	step "preview at cz for sk: of the record's $((n_request + n_accepted + n_withheld)) parts" \
		"$n_request leave with the request, $n_accepted more once it is accepted, $n_withheld are withheld"
}

# content NAME ID ARGUMENT...: what fields.py says of what is held. Looking is logged, with the reason.
content()
{
	local shown
	shown=$(ask "$1" referral show "$2" --content --reason "demo: a look") || exit 1
	"$root/conf/demo/fields.py" "${@:3}" <<<"$shown" || fail_node "$1" "what it holds cannot be read"
}

# expect_fields NAME ID there|withheld PATH...
expect_fields()
{
	local shown path state
	shown=$(content "$1" "$2" "${@:4}") || exit 1
	while read -r path state; do
		expect "$1" "$path" "$state" "$3"
	done <<<"$shown"
}

send_and_receive()
{
	local sent began names_there
	began=$(now_us)
	sent=$(ask cz referral send --record "${record[victim-1]}" "${terms[@]}") || exit 1
	time_sent=$(ms_since "$began")
	referral=$(field id <<<"$sent")
	[[ $referral =~ ^[0-9a-f]{64}$ ]] || fail_node cz "referral send gave no id: $sent"
	step "sent by cz: referral ${referral:0:12}, durable in its ledger when the command returned"
	wait_until 30 sk "the referral arrives" has sk "$referral" state requested
	wait_until 30 cz "the receipt arrives" has cz "$referral" delivery received
	time_received=$(ms_since "$began")
	expect sk "the number of parts" "$(row sk "$referral" | field n_disclosed)" "$n_request"
	expect sk "an answer is due" "$(row sk "$referral" | field awaits_us)" true
	step "received by sk: $n_request parts, proven against the seal of cz, and receipted"
	expect_fields sk "$referral" there derived.age_band origin.preferred_language
	expect_fields sk "$referral" withheld identity contact family_member health safety
	names_there=$(content sk "$referral" --names) || exit 1
	step "read at sk, which is logged there with the reason: $names_there"
	wait_until 30 cz "cz is told that it was opened" has cz "$referral" delivery opened
}

accept()
{
	local began groups
	began=$(now_us)
	ask sk referral accept "$referral" >/dev/null || exit 1
	wait_until 30 cz "the acceptance arrives" has cz "$referral" state accepted
	wait_until 30 sk "the second stage arrives" \
		has sk "$referral" n_disclosed $((n_request + n_accepted))
	time_accepted=$(ms_since "$began")
	expect_fields sk "$referral" there identity.given_names contact.current_address family_member \
		safety.safe_contact.phone
	expect_fields sk "$referral" withheld safety.shelter_address safety.withhold_from origin.religion \
		health.mental_health
	groups=$(content sk "$referral" --groups) || exit 1
	step "accepted by sk: cz released the second stage by itself, $n_accepted parts more, as in the" \
		"preview; it now has some of $groups"
	step "still withheld from sk, since no rule names them: shelter address, whom to keep away," \
		"religion, mental health"
}

decline()
{
	local sent id
	sent=$(ask cz referral send --record "${record[case-1]}" --to "${agency[at]}" \
		--purpose missing-child --basis public-task --type sighting --reason "demo") || exit 1
	id=$(field id <<<"$sent")
	wait_until 30 at "the referral arrives" has at "$id" state requested
	ask at referral decline "$id" --reason "not seen in this country" >/dev/null || exit 1
	wait_until 30 cz "the decision arrives" has cz "$id" state declined
	ask cz referral show "$id" | grep -qF '"not seen in this country"' ||
		fail_node cz "the reason of the decision is not in the history"
	expect_fields at "$id" withheld incident alleged_offender outcome officer
	step "declined by at: cz knows it, with the reason; the second stage of ${id:0:12} stayed at cz"
}

survive()
{
	local sent id pids began
	pids=$(node_pids at)
	# shellcheck disable=SC2086 # split on purpose
	kill -KILL $pids || fail_node at "its processes cannot be killed"
	until ! node_runs at; do
		sleep 0.02
	done
	sent=$(ask cz referral send --record "${record[victim-2]}" --to "${agency[at]}" \
		--purpose family-tracing --basis public-task --type tracing --reason "demo") || exit 1
	id=$(field id <<<"$sent")
	expect cz "the state of the referral" "$(row cz "$id" | field state)" requested
	began=$(now_us)
	node_start at
	wait_until 90 cz "the receipt of at arrives" has cz "$id" delivery received
	time_recovered=$(ms_since "$began")
	expect at "how often it arrived" "$(row at "$id" | wc -l)" 1
	step "killed at with SIGKILL, sent to it meanwhile, started it again: all arrived, once"
}

verify()
{
	local name other result n_entries=0 n=0
	for name in "${names[@]}"; do
		result=$(ask "$name" audit verify) || exit 1
		expect "$name" "its own ledger verifies" "$(field ok <<<"$result")" true
		n_entries=$((n_entries + $(field n_entries <<<"$result")))
		for other in "${names[@]}"; do
			[[ $other != "$name" ]] || continue
			result=$(ask "$name" audit verify --peer "${agency[$other]}") || exit 1
			expect "$name" "what it holds of the ledger of $other" "$(field ok <<<"$result")" true
			n=$((n + 1))
		done
	done
	step "verified: ${#names[@]} own ledgers, $n_entries entries in all, and what each holds of its" \
		"peers', $n times"
}

reconcile()
{
	local result
	wait_until 60 cz "all that cz and sk wrote to each other has come" is_settled
	expect cz "the ledgers of the pair agree" "$(field ok <<<"$result")" true
	step "reconciled cz with sk: $(field sent_k <<<"$result") entries one way," \
		"$(field received_k <<<"$result") the other, the same number and hash at both ends"
}
