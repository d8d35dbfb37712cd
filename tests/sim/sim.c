/*
 * sim [--seeds N] [--seed FIRST] [--twice] [--conf DIR] [--verbose]: worlds of 2 to 7 nodes with
 * all faults of faults.c, held against the invariants of watch.h on every step and of rest.c when
 * they have come to rest. A failing seed ends the program with its last events and how to replay
 * it.
 * --twice runs each seed a second time and compares the hash of all events. tests/sim/run drives
 * many of these.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "scenario.h"
#include "store/store.h"

static bool verbose;

/* No personal data in any log line. */
static void take_line(void *ctx, enum log_level level, const char *line)
{
	(void)ctx;
	(void)level;
	if (verbose)
		fprintf(stderr, "log: %s\n", line);
	if (!given_is_personal_in(view_str(line)))
		return;
	fprintf(stderr, "sim: FAILED: a log line holds personal data: %s\n", line);
	exit(3);
}

static void print_totals(uint64_t first, uint64_t n, const struct totals *t)
{
	const struct tally *y = &t->tally;

	printf("sim: seeds %" PRIu64 "..%" PRIu64 " hold: agencies=%" PRIu64 " referrals=%" PRIu64
	       " decisions=%" PRIu64 " entries=%" PRIu64 " turns=%" PRIu64 " frames=%" PRIu64
	       " checkpoints=%" PRIu64 " events=%" PRIu64 " starts=%" PRIu64 " crashes=%" PRIu64
	       " power_losses=%" PRIu64 " disk_errors=%" PRIu64 " cuts=%" PRIu64 " flips=%" PRIu64
	       " clock_jumps=%" PRIu64 " holds=%" PRIu64 " early=%" PRIu64 " steps=%" PRIu64 "\n",
	       first, first + n - 1, t->n_agencies, t->n_referrals, t->n_decisions, y->n_entries,
	       y->n_turns, y->n_frames, y->n_checkpoints, y->n_events, y->n_starts, y->n_crashes,
	       y->n_power_losses, y->n_disk_errors, y->n_cuts, y->n_flips, y->n_clock_jumps,
	       y->n_holds, y->n_early, y->n_steps);
}

static int run(uint64_t first, uint64_t n, bool twice, bool print_each)
{
	struct totals t = {0}, again = {0};

	for (uint64_t seed = first; seed < first + n; seed++) {
		const uint64_t hash = scenario_run(seed, &t);

		if (print_each)
			printf("sim: seed %" PRIu64 " event hash %016" PRIx64 "\n", seed, hash);
		if (twice && scenario_run(seed, &again) != hash) {
			fprintf(stderr,
				"sim: seed %" PRIu64 " FAILED: does not replay: another event "
				"hash the second time\n",
				seed);
			return 3;
		}
	}
	print_totals(first, n, &t);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"seeds", required_argument, NULL, 'n'},
		{"seed", required_argument, NULL, 's'},
		{"conf", required_argument, NULL, 'c'},
		{"twice", no_argument, NULL, 't'},
		{"verbose", no_argument, NULL, 'v'},
		{"hashes", no_argument, NULL, 'h'},
		{0},
	};
	const char *conf = getenv("AMPARO_CONF");
	uint64_t n = 20, first = 1;
	bool twice = false, hashes = false;
	int c, result;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'n')
			n = strtoull(optarg, NULL, 10);
		else if (c == 's')
			first = strtoull(optarg, NULL, 10);
		else if (c == 'c')
			conf = optarg;
		else if (c == 't')
			twice = true;
		else if (c == 'v')
			verbose = true;
		else if (c == 'h')
			hashes = true;
		else
			return 64;
	}
	if (getenv("AMPARO_QUICK") && n > 5)
		n = 5;
	log_set_sink(take_line, NULL);
	if (crypto_init() || store_init())
		return 2;
	given_load(conf ? conf : "conf");
	result = run(first, n, twice, hashes);
	given_free();
	crypto_fini();
	return result;
}
