// SPDX-License-Identifier: GPL-2.0
/* Statistics of mcload: histograms, phases, windows of 100 ms, and how they are written. */
#include "mcload.h"

#include <stdlib.h>
#include <string.h>

static unsigned int bucket_of(uint64_t value)
{
	unsigned int bits;

	if (value < (1U << HIST_SUB_BITS))
		return value;
	bits = 63 - __builtin_clzll(value);
	if (bits >= HIST_MAX_BITS)
		return HIST_BUCKETS - 1;
	bits -= HIST_SUB_BITS;
	return ((bits + 1) << HIST_SUB_BITS) + ((value >> bits) & ((1U << HIST_SUB_BITS) - 1));
}

/* The largest value that falls into @bucket. */
static uint64_t bucket_end(unsigned int bucket)
{
	unsigned int bits = bucket >> HIST_SUB_BITS;
	uint64_t low = bucket & ((1U << HIST_SUB_BITS) - 1);

	if (!bits)
		return low;
	return ((low + (1U << HIST_SUB_BITS) + 1) << (bits - 1)) - 1;
}

void histogram_add(struct histogram *hist, uint64_t usec)
{
	hist->count[bucket_of(usec)]++;
	hist->total++;
	if (usec > hist->max)
		hist->max = usec;
}

uint64_t histogram_quantile(const struct histogram *hist, double share)
{
	uint64_t rank = (uint64_t)(share * hist->total);
	uint64_t seen = 0;

	if (!hist->total)
		return 0;
	if (rank < share * hist->total)
		rank++;
	if (!rank)
		rank = 1;
	for (unsigned int i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->count[i];
		if (seen >= rank)
			return bucket_end(i) < hist->max ? bucket_end(i) : hist->max;
	}
	return hist->max;
}

static enum request_class class_of(const struct request *req)
{
	switch (req->kind) {
	case REQ_BATCH:
		return CLASS_BATCH;
	case REQ_PROBE:
		return CLASS_PROBE;
	default:
		return CLASS_LOAD;
	}
}

static struct tally *tally_of(struct load *load, const struct request *req)
{
	return &load->phases[req->phase].tally[class_of(req)];
}

static struct window *window_of(struct load *load, const struct request *req)
{
	size_t index = (req->due - load->start) / WINDOW_NSEC;

	if (index >= load->nr_windows) {
		size_t nr = index + 64;

		load->windows = xrealloc(load->windows, nr * sizeof(*load->windows));
		while (load->nr_windows < nr)
			load->windows[load->nr_windows++] = NULL;
	}
	if (!load->windows[index]) {
		load->windows[index] = xrealloc(NULL, sizeof(struct window));
		memset(load->windows[index], 0, sizeof(struct window));
		load->windows[index]->phase = req->phase;
	}
	return load->windows[index];
}

/* A name that was used before goes on with the statistics of that phase. */
int stats_set_phase(struct load *load, const char *name)
{
	struct phase *phase;
	unsigned int i;

	if (!*name || strlen(name) >= PHASE_NAME_MAX || strpbrk(name, " ,\t"))
		return -1;
	for (i = 0; i < load->nr_phases; i++)
		if (!strcmp(load->phases[i].name, name))
			break;
	if (i == MAX_PHASES)
		return -1;
	if (i == load->nr_phases) {
		phase = &load->phases[load->nr_phases++];
		strcpy(phase->name, name);
		phase->conns = calloc(load->nr_probed, sizeof(*phase->conns));
		if (!phase->conns)
			die("no memory");
	}
	load->phase = i;
	return 0;
}

int stats_mark(struct load *load, const char *name)
{
	struct mark *mark = &load->marks[load->nr_marks];

	if (!*name || strlen(name) >= MARK_NAME_MAX || load->nr_marks == MAX_MARKS)
		return -1;
	mark->when = now_ns();
	strcpy(mark->name, name);
	load->nr_marks++;
	return 0;
}

void stats_sent(struct load *load, const struct request *req)
{
	load->outstanding++;
	if (load->counting)
		tally_of(load, req)->sent++;
}

void stats_answered(struct load *load, const struct request *req, uint64_t when)
{
	uint64_t usec = when > req->due ? (when - req->due) / NSEC_PER_USEC : 0;
	struct tally *tally;

	load->outstanding--;
	if (!load->counting)
		return;
	tally = tally_of(load, req);
	tally->answered++;
	histogram_add(&tally->latency, usec);
	if (class_of(req) == CLASS_LOAD)
		histogram_add(&window_of(load, req)->latency, usec);
}

void stats_failed(struct load *load, const struct request *req)
{
	load->outstanding--;
	load->trouble++;
	if (!load->counting)
		return;
	tally_of(load, req)->failed++;
	window_of(load, req)->failed++;
}

void stats_lost(struct load *load, const struct request *req)
{
	load->outstanding--;
	load->trouble++;
	if (!load->counting)
		return;
	tally_of(load, req)->lost++;
	window_of(load, req)->failed++;
}

/* A probe tells of a phase only if it was sent and answered in it. A change is of the present one. */
void stats_probe(struct conn *conn, const struct request *req, enum answer answer)
{
	struct load *load = conn->load;
	struct behaviour *seen = &load->phases[load->phase].conns[conn->index];
	enum answer *last = &load->last[conn->index];
	bool whole = req->phase == load->phase;

	if (answer == ANSWER_OLD) {
		seen->old += whole;
		seen->to_old += *last == ANSWER_NEW;
		window_of(load, req)->old++;
	} else {
		seen->new += whole;
		seen->to_new += *last == ANSWER_OLD;
		window_of(load, req)->new++;
	}
	*last = answer;
}

static const char *const class_names[NR_CLASSES] = { "load", "batch", "probe" };

static void print_tally(const struct phase *phase, enum request_class class, FILE *file)
{
	const struct tally *tally = &phase->tally[class];
	const struct histogram *hist = &tally->latency;

	fprintf(file, "%-16s %-6s %8lu %6lu %6lu %10.2f %10.2f %10.2f %10.2f\n", phase->name,
		class_names[class], tally->sent, tally->failed, tally->lost,
		histogram_quantile(hist, 0.5) / 1e3, histogram_quantile(hist, 0.99) / 1e3,
		histogram_quantile(hist, 0.999) / 1e3, hist->max / 1e3);
}

void stats_print(const struct load *load, FILE *file)
{
	fprintf(file, "%-16s %-6s %8s %6s %6s %10s %10s %10s %10s\n", "phase", "class", "sent",
		"failed", "lost", "p50 ms", "p99 ms", "p99.9 ms", "max ms");
	for (unsigned int i = 0; i < load->nr_phases; i++)
		for (int class = 0; class < NR_CLASSES; class++)
			if (load->phases[i].tally[class].sent)
				print_tally(&load->phases[i], class, file);
}

void stats_write_csv(const struct load *load, FILE *file)
{
	fprintf(file, "seconds,phase,requests,failed,p50_us,p99_us,max_us,old,new\n");
	for (size_t i = 0; i < load->nr_windows; i++) {
		const struct window *window = load->windows[i];

		if (!window)
			continue;
		fprintf(file, "%.1f,%s,%lu,%u,%lu,%lu,%lu,%u,%u\n",
			(double)i * WINDOW_NSEC / NSEC_PER_SEC, load->phases[window->phase].name,
			window->latency.total, window->failed,
			histogram_quantile(&window->latency, 0.5),
			histogram_quantile(&window->latency, 0.99), window->latency.max,
			window->old, window->new);
	}
}

void stats_write_report(const struct load *load, FILE *file)
{
	fprintf(file, "#tally\tphase\tclass\tsent\tanswered\tfailed\tlost\tp50_us\tp99_us\t"
		"p99.9_us\tmax_us\n#probe\tphase\tconnection\told\tnew\tto_new\tto_old\n"
		"#mark\tseconds\tname\n");
	for (unsigned int i = 0; i < load->nr_phases; i++) {
		const struct phase *phase = &load->phases[i];

		for (int class = 0; class < NR_CLASSES; class++) {
			const struct tally *tally = &phase->tally[class];
			const struct histogram *hist = &tally->latency;

			fprintf(file, "tally\t%s\t%s\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\t%lu\n",
				phase->name, class_names[class], tally->sent, tally->answered,
				tally->failed, tally->lost, histogram_quantile(hist, 0.5),
				histogram_quantile(hist, 0.99), histogram_quantile(hist, 0.999),
				hist->max);
		}
		for (unsigned int c = 0; load->probe && c < load->nr_probed; c++)
			fprintf(file, "probe\t%s\t%u\t%lu\t%lu\t%lu\t%lu\n", phase->name, c,
				phase->conns[c].old, phase->conns[c].new, phase->conns[c].to_new,
				phase->conns[c].to_old);
	}
	for (unsigned int i = 0; i < load->nr_marks; i++)
		fprintf(file, "mark\t%.3f\t%s\n",
			(double)(load->marks[i].when - load->start) / NSEC_PER_SEC,
			load->marks[i].name);
}
