# shellcheck shell=sh
# What the commands of this folder share; sourced, not run. Needs the openssl command, 3.0 or later.
# A federation's folder:
#   trust/<trust domain>/ca.pem crl.pem                    what every node is given
#   ca/<trust domain>/ca.key ca.pem index.txt ...          a CA's own, for it alone
#   agencies/<trust domain>/<agency>/{tls,seal}.{key,pem}  an agency's own

# Else a range such as a-z means something else in each language.
export LC_ALL=C

profiles=$(cd "$(dirname "$0")" && pwd)
self=certs/$(basename "$0")

fail()
{
	printf '%s: %s\n' "$self" "$*" >&2
	exit 1
}

# The comment at the head of the calling script is its help.
usage()
{
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
}

usage_error()
{
	printf '%s: %s\n\n' "$self" "$*" >&2
	usage >&2
	exit 64
}

# Run a command that should be silent; when it fails, show what it said.
quietly()
{
	said=$("$@" 2>&1 </dev/null) || fail "openssl failed: $said"
}

days_or_fail()
{
	case $2 in
	'' | *[!0-9]* | 0* | ???????*) fail "$1 takes a number of days, 1 or more, not '$2'" ;;
	esac
}

time_or_fail()
{
	case $2 in
	[0-9][0-9][0-9][0-9][01][0-9][0-3][0-9][0-2][0-9][0-5][0-9][0-5][0-9]Z) ;;
	*) fail "$1 takes a time as YYYYMMDDHHMMSSZ, not '$2'" ;;
	esac
	later "$2" 0 >/dev/null || fail "$1: there is no such time as '$2'"
}

# later TIME DAYS: the time DAYS after TIME, both YYYYMMDDHHMMSSZ.
later()
{
	digits=${1%Z}
	clock=${digits#????????}
	day=${digits%??????}
	seconds=$(date -u -d "$day ${clock%????}:$(echo "$clock" | cut -c3-4):${clock#????}" +%s \
		2>/dev/null) || return 1
	date -u -d "@$((seconds + $2 * 86400))" +%Y%m%d%H%M%SZ
}

# The options that several commands take; sets n_shift to how many words were used.
ca_days=3650 tls_days=90 seal_days=730 crl_days=30 not_before=
common_option()
{
	# shellcheck disable=SC2034 # read by the callers
	n_shift=2
	case $1 in
	--help | -h)
		usage
		exit 0
		;;
	--days | --ca-days | --crl-days)
		[ $# -ge 2 ] || usage_error "$1 wants a number of days"
		days_or_fail "$1" "$2"
		;;
	--not-before)
		[ $# -ge 2 ] || usage_error "$1 wants a time"
		time_or_fail "$1" "$2"
		;;
	esac
	case $1 in
	--days) tls_days=$2 seal_days=$2 ;;
	--ca-days) ca_days=$2 ;;
	--crl-days) crl_days=$2 ;;
	--not-before) not_before=$2 ;;
	*) usage_error "unknown option '$1'" ;;
	esac
}

# Same rules as the daemon's: one strict id, safe as a file name too.
trust_domain_or_fail()
{
	case $1 in
	'') fail "the trust domain is empty" ;;
	*[!a-z0-9.-]*) fail "trust domain '$1': only a-z, 0-9, '.' and '-' may stand in it" ;;
	.* | *. | *..*) fail "trust domain '$1': a label between two dots is empty" ;;
	-* | *- | *.-* | *-.*) fail "trust domain '$1': a label begins or ends with '-'" ;;
	esac
	[ ${#1} -le 253 ] || fail "trust domain '$1' is longer than 253 characters"
	expr "x.$1" : '.*[.][^.]\{64\}' >/dev/null &&
		fail "trust domain '$1': a label is longer than 63 characters"
	return 0
}

# name_or_fail NAME: sets trust_domain, agency and id, and what the profiles read.
name_or_fail()
{
	set -- "${1#spiffe://}"
	case $1 in
	*/*/*) fail "'$1': one '/' only, as in ochrana.cz.example/central-authority" ;;
	*/*) ;;
	*) fail "'$1' is no <trust domain>/<agency>, such as ochrana.cz.example/central-authority" ;;
	esac
	agency=${1#*/}
	trust_domain_or_fail "${1%%/*}"
	case $agency in
	'') fail "'$1': the agency is empty" ;;
	. | ..) fail "'$1': the agency may not be '.' or '..'" ;;
	*[!A-Za-z0-9._-]*) fail "agency '$agency': only A-Z, a-z, 0-9, '.', '_' and '-' may stand in it" ;;
	esac
	[ ${#agency} -le 64 ] || fail "agency '$agency' is longer than 64 characters"
	use_trust_domain "${1%%/*}"
	id=spiffe://$trust_domain/$agency
	export AMPARO_ID="$id" AMPARO_AGENCY="$agency"
}

use_trust_domain()
{
	trust_domain=$1
	export AMPARO_TRUST_DOMAIN="$1"
}

kind_or_fail()
{
	case $1 in
	tls | seal) ;;
	*) fail "'$1' is no kind of certificate: tls or seal" ;;
	esac
}

# The folder as an absolute path: openssl ca runs inside the CA's own.
open_dir()
{
	dir=$(cd -- "$1" 2>/dev/null && pwd) || fail "$1: no such folder, or none that you may enter"
	# One command at a time: the register and the CRL number stand no second writer.
	exec 9>"$dir/.lock"
	flock 9
}

make_dir()
{
	mkdir -p -- "$1" || fail "$1: cannot make this folder"
	open_dir "$1"
}

# example.cz.ochrana as the start of a subject: /DC=example/DC=cz/DC=ochrana
subject_of_domain()
{
	rest=$1 subject=
	while [ -n "$rest" ]; do
		subject=$subject/DC=${rest##*.}
		case $rest in
		*.*) rest=${rest%.*} ;;
		*) rest= ;;
		esac
	done
	printf '%s' "$subject"
}

ca_or_fail()
{
	ca=$dir/ca/$trust_domain
	[ -f "$ca/ca.pem" ] || fail "$dir holds no CA for $trust_domain (looked for $ca/ca.pem)"
}

publish()
{
	mkdir -p "$dir/trust/$trust_domain"
	cp "$1" "$dir/trust/$trust_domain/.new"
	chmod 644 "$dir/trust/$trust_domain/.new"
	# A node that reloads now sees the old list or the new one, never half a file.
	mv "$dir/trust/$trust_domain/.new" "$dir/trust/$trust_domain/$2"
}

# openssl ca in the CA's own folder, with the national profile.
run_ca()
{
	(cd "$ca" && exec openssl ca -config "$profiles/openssl-ca.cnf" -batch -notext "$@")
}

# A CA for $trust_domain, unless there is one.
make_ca()
{
	ca=$dir/ca/$trust_domain
	if [ ! -f "$ca/ca.pem" ]; then
		(umask 077 && mkdir -p "$dir/ca" "$ca/issued")
		: >"$ca/index.txt"
		echo 'unique_subject = no' >"$ca/index.txt.attr"
		echo 1000 >"$ca/crlnumber"
		[ -f "$ca/ca.key" ] || new_key "$ca/ca.key" EC -pkeyopt ec_paramgen_curve:P-384
		quietly openssl req -new -x509 -config "$profiles/openssl-ca.cnf" -key "$ca/ca.key" \
			-days "$ca_days" -subj "$(subject_of_domain "$trust_domain")/CN=Amparo CA" \
			-out "$ca/.new"
		mv "$ca/.new" "$ca/ca.pem"
	fi
	[ -f "$dir/trust/$trust_domain/ca.pem" ] || publish "$ca/ca.pem" ca.pem
	[ -f "$dir/trust/$trust_domain/crl.pem" ] || make_crl
}

make_crl()
{
	if [ -n "$not_before" ]; then
		quietly run_ca -gencrl -crl_lastupdate "$not_before" \
			-crl_nextupdate "$(later "$not_before" "$crl_days")" -out "$ca/.crl"
	else
		quietly run_ca -gencrl -crldays "$crl_days" -out "$ca/.crl"
	fi
	publish "$ca/.crl" crl.pem
	rm -f "$ca/.crl"
}

# new_key FILE ALGORITHM [OPTION...]: mode 0600 from its first byte on.
new_key()
{
	key=$1
	shift
	(umask 077 && openssl genpkey -out "$key.new" -algorithm "$@" 2>/dev/null) ||
		fail "$key: cannot make the key"
	mv "$key.new" "$key"
}

# make_request FOLDER KIND: a key and a request for $id, unless there.
make_request()
{
	if [ ! -f "$1/$2.key" ]; then
		case $2 in
		tls) new_key "$1/tls.key" EC -pkeyopt ec_paramgen_curve:P-256 ;;
		seal) new_key "$1/seal.key" ED25519 ;;
		esac
		rm -f "$1/$2.csr"
	fi
	[ -f "$1/$2.csr" ] || {
		quietly openssl req -new -config "$profiles/openssl-request.cnf" -key "$1/$2.key" \
			-out "$1/$2.csr.new"
		mv "$1/$2.csr.new" "$1/$2.csr"
	}
}

# The key of a request must be of the kind the profile is for.
request_or_fail()
{
	text=$(openssl req -in "$1" -noout -verify -text 2>&1) ||
		fail "$1: no certificate request, or its signature does not hold"
	case $2,$text in
	tls,*"NIST CURVE: P-256"*) ;;
	seal,*"Public Key Algorithm: ED25519"*) ;;
	tls,*) fail "$1: a TLS key must be ECDSA on P-256" ;;
	seal,*) fail "$1: a seal key must be Ed25519" ;;
	esac
}

# sign_request CSR KIND FILE: certify the request's key for $id, into FILE.
sign_request()
{
	request_or_fail "$1" "$2"
	case $2 in
	tls) days=$tls_days unit=transport ;;
	seal) days=$seal_days unit=seal ;;
	esac
	if [ -n "$not_before" ]; then
		set -- "$1" "$2" "$3" -startdate "$not_before" -enddate "$(later "$not_before" "$days")"
	else
		set -- "$1" "$2" "$3" -days "$days"
	fi
	request=$1 profile=$2 out=$3
	shift 3
	quietly run_ca -in "$request" -extfile "$profiles/openssl-agency.cnf" -extensions "$profile" \
		-subj "$(subject_of_domain "$trust_domain")/OU=$unit/CN=$agency" -out "$out.new" "$@"
	chmod 644 "$out.new"
	mv "$out.new" "$out"
}

# fingerprint FILE: of the public key in a certificate, a request or a key; SHA-256 over the
# DER SubjectPublicKeyInfo, hex, in groups of four.
fingerprint()
{
	public=$(openssl x509 -in "$1" -noout -pubkey 2>/dev/null ||
		openssl req -in "$1" -noout -pubkey 2>/dev/null ||
		openssl pkey -in "$1" -pubout 2>/dev/null ||
		openssl pkey -pubin -in "$1" -pubout 2>/dev/null) ||
		fail "$1: no certificate, request or key in PEM"
	printf '%s\n' "$public" | openssl pkey -pubin -outform DER | openssl dgst -sha256 -r |
		cut -c1-64 | sed 's/..../& /g; s/ $//'
}
